#![allow(clippy::unwrap_used)]

use std::time::Instant;

use wasmtime::{Config, Instance, Module, Store, Trap};

use super::*;

fn engine() -> Engine {
    Engine::new(Config::new().epoch_interruption(true)).unwrap()
}

/// Run an endless loop until the epoch has advanced so often; gives how long that took.
fn spin(engine: &Engine, pulse: &Pulse, ticks: u64) -> Duration {
    let module = Module::new(engine, wat::parse_str(r#"(module (func (export "f") (loop (br 0))))"#).unwrap()).unwrap();
    let mut store = Store::new(engine, ());
    store.set_epoch_deadline(u64::MAX / 2);
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let endless = instance.get_typed_func::<(), ()>(&mut store, "f").unwrap();
    pulse.beat();
    store.set_epoch_deadline(ticks);
    let begun = Instant::now();
    let error = endless.call(&mut store, ()).unwrap_err();
    assert_eq!(error.downcast_ref::<Trap>(), Some(&Trap::Interrupt));
    begun.elapsed()
}

#[test]
fn every_engine_advances_once_in_a_tick() {
    let ticker = Ticker::start().unwrap();
    let engines = [engine(), engine()];
    for engine in &engines {
        ticker.add(engine);
    }
    for engine in &engines {
        let took = spin(engine, &ticker.pulse(), 20);
        assert!(took >= TICK * 19, "{took:?}");
        assert!(took < TICK * 200, "{took:?}");
    }
}

#[test]
fn a_quiet_ticker_sleeps_and_a_beat_wakes_it() {
    let ticker = Ticker::start().unwrap();
    let engine = engine();
    ticker.add(&engine);
    while !ticker.pulse.0.shared.asleep.load(Ordering::SeqCst) {
        thread::yield_now();
    }
    let took = spin(&engine, &ticker.pulse(), 5);
    assert!(took < NAP / 2, "{took:?}");
}

#[test]
fn the_thread_outlives_its_ticker_while_there_is_a_pulse_and_ends_with_the_last() {
    let ticker = Ticker::start().unwrap();
    let engine = engine();
    ticker.add(&engine);
    let pulse = ticker.pulse();
    drop(ticker);
    spin(&engine, &pulse, 5);
    let shared = Arc::downgrade(&pulse.0.shared);
    drop(pulse);
    // The thread holds the last reference; the test hangs, and so fails, if it does not end.
    while shared.strong_count() > 0 {
        thread::yield_now();
    }
}
