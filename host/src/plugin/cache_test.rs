#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt;

use super::super::engine;
use super::*;

struct Dir(PathBuf);

impl Dir {
    fn new() -> Dir {
        static UNIQUE: AtomicU64 = AtomicU64::new(0);
        let unique = UNIQUE.fetch_add(1, Ordering::Relaxed);
        Dir(std::env::temp_dir().join(format!("sluice-cache-{}-{unique}", std::process::id())))
    }

    fn entries(&self) -> Vec<PathBuf> {
        fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path()).collect()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn engine() -> Engine {
    engine::new(512 << 10).unwrap()
}

const COMPONENT: &str = r#"(component (core module $m (func (export "f"))))"#;

fn component() -> Vec<u8> {
    wat::parse_str(COMPONENT).unwrap()
}

#[test]
fn an_entry_is_private_and_named_by_what_it_depends_on() {
    let dir = Dir::new();
    let cache = Cache::open(dir.0.clone()).unwrap();
    cache.component(&engine(), &component()).unwrap();
    cache.component(&engine(), &component()).unwrap();
    assert_eq!(dir.entries().len(), 1);
    assert_eq!(fs::metadata(&dir.0).unwrap().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(&dir.entries()[0]).unwrap().mode() & 0o777, 0o600);

    let other = wat::parse_str(COMPONENT.replace("\"f\"", "\"g\"")).unwrap();
    cache.component(&engine(), &other).unwrap();
    assert_eq!(dir.entries().len(), 2);

    let mut config = wasmtime::Config::new();
    config.epoch_interruption(false);
    cache.component(&Engine::new(&config).unwrap(), &component()).unwrap();
    assert_eq!(dir.entries().len(), 3);
}

#[test]
fn what_is_forgotten_takes_no_room() {
    let dir = Dir::new();
    let cache = Cache::open(dir.0.clone()).unwrap();
    let (engine, digest) = (engine(), Sha256::digest(component()).into());
    cache.forget(&engine, &digest);
    cache.component(&engine, &component()).unwrap();
    cache.forget(&engine, &[0; 32]);
    assert_eq!(dir.entries().len(), 1);
    cache.forget(&engine, &digest);
    assert!(dir.entries().is_empty());
}

#[test]
fn a_hit_does_not_compile() {
    let dir = Dir::new();
    let cache = Cache::open(dir.0.clone()).unwrap();
    let engine = engine();
    // What is in the entry decides, not what the component says.
    let other = wat::parse_str(r#"(component (import "other" (func)))"#).unwrap();
    let code = Component::from_binary(&engine, &other).unwrap().serialize().unwrap();
    save(&dir.0.join(key(&engine, &Sha256::digest(component()).into())), &code).unwrap();
    let found = cache.component(&engine, &component()).unwrap();
    assert_eq!(found.component_type().imports(&engine).len(), 1);
}

#[test]
fn a_damaged_entry_is_compiled_again_and_replaced() {
    let dir = Dir::new();
    let cache = Cache::open(dir.0.clone()).unwrap();
    let engine = engine();
    cache.component(&engine, &component()).unwrap();
    let path = dir.entries().remove(0);
    let whole = fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for damaged in [&flipped[..], &whole[..whole.len() / 2], &whole[..10], b""] {
        fs::write(&path, damaged).unwrap();
        assert!(matches!(load(&engine, &path), Err(Miss::Unusable(_))));
        cache.component(&engine, &component()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), whole);
    }
    assert_eq!(dir.entries().len(), 1);
}

#[test]
fn whole_code_that_wasmtime_refuses_is_compiled_again() {
    let dir = Dir::new();
    let cache = Cache::open(dir.0.clone()).unwrap();
    let engine = engine();
    save(&dir.0.join(key(&engine, &Sha256::digest(component()).into())), b"code of another time").unwrap();
    cache.component(&engine, &component()).unwrap();
}

#[test]
fn a_directory_that_others_may_write_to_is_refused() {
    let dir = Dir::new();
    fs::create_dir(&dir.0).unwrap();
    fs::set_permissions(&dir.0, fs::Permissions::from_mode(0o777)).unwrap();
    let error = Cache::open(dir.0.clone()).unwrap_err();
    assert_eq!(error.to_string(), "others may write to it");
    fs::set_permissions(&dir.0, fs::Permissions::from_mode(0o755)).unwrap();
    Cache::open(dir.0.clone()).unwrap();
}

#[test]
fn a_cache_that_cannot_be_written_to_costs_no_function() {
    let dir = Dir::new();
    let cache = Cache::open(dir.0.clone()).unwrap();
    fs::remove_dir(&dir.0).unwrap();
    cache.component(&engine(), &component()).unwrap();
}
