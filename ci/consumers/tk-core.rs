fn main() {
    let me = tk_core::current();
    assert!(me.is_main() && tk_core::enumerate().contains(&me));
    #[cfg(feature = "default")]
    tk_core::logging::basic_config().init();
    println!("{me:?}");
}
