//! What an operator reads who wrote something wrong.

use serde_json::{Value, json};
use sluice_plugin::testing::Harness;
use sluice_plugin::{Interest, NoConfig, Transform};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    limits: Limits,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    burst: u32,
}

struct Limited;

impl Transform for Limited {
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        if config.limits.burst == 0 { Err("limits.burst: found 0, expected at least 1".into()) } else { Ok(Limited) }
    }
}

struct Confused;

impl Transform for Confused {
    type Config = NoConfig;

    fn new(_: NoConfig) -> Result<Self, String> {
        Ok(Confused)
    }

    fn interest(&self) -> Interest {
        Interest::in_commands(["gte"])
    }
}

#[test]
fn an_error_names_the_path_of_the_key_and_no_line_of_a_text_that_nobody_wrote() {
    let error = |config: Value| Harness::<Limited>::new(config).err().unwrap();
    assert_eq!(error(json!({})), "missing field `limits`");
    assert_eq!(error(json!({ "limits": {} })), "limits: missing field `burst`");
    assert_eq!(
        error(json!({ "limits": { "burst": "many" } })),
        "limits.burst: invalid type: string \"many\", expected u32"
    );
    assert_eq!(error(json!({ "limits": { "burst": -1 } })), "limits.burst: invalid value: integer `-1`, expected u32");
    assert_eq!(error(json!({ "limits": { "burst": 0 } })), "limits.burst: found 0, expected at least 1");
    assert_eq!(error(json!({ "limit": {} })), "limit: unknown field `limit`, expected `limits`");
}

#[test]
fn an_interest_in_a_command_that_there_is_not_is_an_error() {
    let error = Harness::<Confused>::new(json!({})).err().unwrap();
    assert!(error.contains("`gte`"), "{error}");
}
