//! draft
use std::hint::black_box;
use std::time::Instant;

fn batch(n: u32, mut f: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..n { f(); }
    start.elapsed().as_nanos() as f64 / f64::from(n)
}

fn versus(name: &str, n: u32, mut ours: impl FnMut(u32) -> f64, mut theirs: impl FnMut(u32) -> f64) {
    let mut pairs: Vec<(f64, f64)> = (0..101).map(|_| (ours(n), theirs(n))).collect();
    pairs.sort_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)));
    let ratio = pairs[50].0 / pairs[50].1;
    let mut a: Vec<f64> = pairs.iter().map(|p| p.0).collect();
    let mut b: Vec<f64> = pairs.iter().map(|p| p.1).collect();
    a.sort_by(f64::total_cmp); b.sort_by(f64::total_cmp);
    println!("{name:<40} {:>8.2} {:>8.2} ratio {ratio:.2}", a[50], b[50]);
}

fn main() {
    let ours = tk_local::Local::new(); ours.set(5u64);
    let theirs = thread_local::ThreadLocal::new(); theirs.get_or(|| std::cell::Cell::new(5u64));
    versus("get u64", 100_000, |n| batch(n, || { black_box(black_box(&ours).get()); }),
        |n| batch(n, || { black_box(black_box(&theirs).get().map(|c| c.get())); }));
    let ours2 = tk_local::Local::new(); ours2.set(std::cell::Cell::new(5u64));
    versus("with_borrow add", 100_000, |n| batch(n, || { black_box(&ours2).with_borrow(|c| c.set(c.get()+1)).unwrap(); }),
        |n| batch(n, || { let c = black_box(&theirs).get().unwrap(); c.set(c.get()+1); }));
    versus("with_borrow_mut add / RefCell", 100_000, |n| batch(n, || { black_box(&ours).with_borrow_mut(|c| *c += 1).unwrap(); }),
        |n| batch(n, || { let c = black_box(&theirs).get().unwrap(); c.set(c.get()+1); }));
    versus("set / Cell set", 100_000, |n| batch(n, || { black_box(&ours).set(7); }),
        |n| batch(n, || { let c = black_box(&theirs).get().unwrap(); c.set(7); }));
    // First set, fresh objects, old thread
    versus("first set, fresh objects", 1000, |n| {
        let l: Vec<tk_local::Local<u64>> = (0..n).map(|_| tk_local::Local::new()).collect();
        let s = Instant::now();
        for x in &l { x.set(1); }
        s.elapsed().as_nanos() as f64 / f64::from(n)
    }, |n| {
        let l: Vec<thread_local::ThreadLocal<u64>> = (0..n).map(|_| thread_local::ThreadLocal::new()).collect();
        let s = Instant::now();
        for x in &l { x.get_or(|| 1); }
        s.elapsed().as_nanos() as f64 / f64::from(n)
    });
    // first set of a new thread in 100 objects that other threads have used
    let l: Vec<tk_local::Local<u64>> = (0..1000).map(|_| tk_local::Local::new()).collect();
    let m: Vec<thread_local::ThreadLocal<u64>> = (0..1000).map(|_| thread_local::ThreadLocal::new()).collect();
    versus("first set, used objects, per object", 1000, |_| std::thread::scope(|s| s.spawn(|| { 
        let s = Instant::now();
        for x in &l { x.set(1); }
        s.elapsed().as_nanos() as f64 / 1000.0 }).join().unwrap()),
     |_| std::thread::scope(|s| s.spawn(|| { 
        let s = Instant::now();
        for x in &m { x.get_or(|| 1); }
        s.elapsed().as_nanos() as f64 / 1000.0 }).join().unwrap()));
    versus("first set ever of a thread", 1, |_| std::thread::scope(|s| s.spawn(|| { 
        let s = Instant::now();
        l[0].set(1);
        s.elapsed().as_nanos() as f64 }).join().unwrap()),
     |_| std::thread::scope(|s| s.spawn(|| { 
        let s = Instant::now();
        m[0].get_or(|| 1);
        s.elapsed().as_nanos() as f64 }).join().unwrap()));
}
