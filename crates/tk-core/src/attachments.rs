//! Values that other crates of the kit keep in a thread's record, one per type.
//!
//! A list that grows at its end, without a lock. An entry never changes and is never removed before
//! the record is dropped, so readers need no more than the pointers to the entries. Each pointer is
//! a `OnceBox`, which is set once, by compare-exchange.

use std::any::{Any, TypeId};
use std::sync::Arc;

use once_cell::race::OnceBox;

pub(crate) struct Attachments(OnceBox<Entry>);

struct Entry {
    type_id: TypeId,
    value: Arc<dyn Any + Send + Sync>,
    next: OnceBox<Entry>,
}

impl Attachments {
    pub(crate) fn new() -> Attachments {
        Attachments(OnceBox::new())
    }

    /// The value of the type `T`. If there is none, `make` makes it.
    ///
    /// Two threads may both call `make`. Then one of the values is kept, and the other is dropped.
    pub(crate) fn get_or_make<T: Any + Send + Sync>(
        &self,
        make: impl FnOnce() -> Arc<T>,
    ) -> Arc<T> {
        let type_id = TypeId::of::<T>();
        let mut link = &self.0;
        let mut made = None;
        let mut make = Some(make);
        loop {
            while let Some(entry) = link.get() {
                if entry.type_id == type_id
                    && let Ok(value) = Arc::clone(&entry.value).downcast()
                {
                    return value;
                }
                link = &entry.next;
            }
            // `make` is user code, and may have attached a value. The exchange below notices that.
            let entry: Box<Entry> = made.take().unwrap_or_else(|| {
                let make = make.take().expect("what was made is kept");
                Box::new(Entry {
                    type_id,
                    value: make(),
                    next: OnceBox::new(),
                })
            });
            // If another thread has appended an entry first, look at that one next.
            if let Err(entry) = link.set(entry) {
                made = Some(entry);
            }
        }
    }
}
