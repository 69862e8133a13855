//! What is refused for what it exports, and in which words.

use super::load::refusal;

/// A component that exports interfaces by these names, with nothing in them.
fn exporting(names: &[&str]) -> Vec<u8> {
    let exports: String = names.iter().map(|name| format!(r#"(export "{name}" (instance $none))"#)).collect();
    wat::parse_str(format!("(component (instance $none) {exports})")).unwrap()
}

#[test]
fn a_component_that_exports_nothing_of_the_contract_is_called_what_it_is() {
    for (names, what) in [
        (&["wasi:cli/run@0.2.3"][..], "is a command, not a transform: it exports `wasi:cli/run@0.2.3`; expected"),
        (&["wasi:http/incoming-handler@0.2.0"], "is a server of HTTP requests, not a transform: it exports"),
        (&["acme:a/b", "acme:a/c@1.0.0"], "is a component of another kind, not a transform: it exports `acme:a/b` and"),
        (&[], "is a component of another kind, not a transform: it exports nothing; expected"),
        (&["sluice:transform/replies@0.2.0"], "not a transform: it exports `sluice:transform/replies@0.2.0`; expected"),
    ] {
        let error = refusal(&exporting(names), |_| ());
        assert!(error.contains(what), "{error}");
        assert!(
            error.contains("expected `sluice:transform/lifecycle@0.2.0` and a handler. Build it for one of"),
            "{error}"
        );
    }
}

#[test]
fn handlers_without_a_lifecycle_are_told_what_is_missing() {
    let error = refusal(&exporting(&["sluice:transform/requests-rows@0.1.0"]), |_| ());
    assert!(
        error.contains("exports `sluice:transform/requests-rows@0.1.0`, but no `sluice:transform/lifecycle@0.1.0`"),
        "{error}"
    );
    assert!(error.ends_with("Add `export sluice:transform/lifecycle@0.1.0;` to its world"), "{error}");
}

#[test]
fn a_lifecycle_without_handlers_is_told_what_is_missing() {
    let error = refusal(&exporting(&["sluice:transform/lifecycle@0.2.0"]), |_| ());
    assert!(
        error.contains("exports `sluice:transform/lifecycle@0.2.0`, but no handler; expected `requests-rows` or"),
        "{error}"
    );
    assert!(error.ends_with("Add `export sluice:transform/requests-rows@0.2.0;` to its world"), "{error}");
}

#[test]
fn a_handler_of_responses_alone_is_told_that_nothing_would_be_watched() {
    let names = ["sluice:transform/lifecycle@0.2.0", "sluice:transform/responses-columns@0.2.0"];
    let error = refusal(&exporting(&names), |_| ());
    assert!(
        error.contains("handles responses (`sluice:transform/responses-columns@0.2.0`), but not requests"),
        "{error}"
    );
    assert!(error.ends_with("Add `export sluice:transform/requests-columns@0.2.0;` to its world"), "{error}");
}

#[test]
fn handlers_of_both_lanes_are_told_to_choose() {
    let names =
        ["lifecycle", "requests-rows", "responses-columns"].map(|name| format!("sluice:transform/{name}@0.2.0"));
    let error = refusal(&exporting(&names.each_ref().map(String::as_str)), |_| ());
    assert!(
        error.contains(
            "has handlers of both lanes (`sluice:transform/requests-rows@0.2.0` and \
             `sluice:transform/responses-columns@0.2.0`); expected those of one. Choose"
        ),
        "{error}"
    );
}

#[test]
fn an_export_that_lacks_its_function_is_refused() {
    let component = wat::parse_str(
        r#"(component
            (instance $none)
            (export "sluice:transform/requests-rows@0.2.0" (instance $none))
            (export "sluice:transform/lifecycle@0.2.0" (instance $none)))"#,
    );
    let error = refusal(&component.unwrap(), |_| ());
    assert!(
        error.contains("its function `describe` is missing; expected it as the contract has it. Rebuild"),
        "{error}"
    );
}

#[test]
fn an_export_of_another_type_is_refused() {
    let component = wat::parse_str(
        r#"(component
            (core module $m (func (export "f")))
            (core instance $i (instantiate $m))
            (func $f (canon lift (core func $i "f")))
            (instance $lifecycle (export "describe" (func $f)) (export "configure" (func $f)))
            (export "sluice:transform/requests-rows@0.2.0" (instance $lifecycle))
            (export "sluice:transform/lifecycle@0.2.0" (instance $lifecycle)))"#,
    );
    let error = refusal(&component.unwrap(), |_| ());
    assert!(error.contains("its function `describe` has another type"), "{error}");
    assert!(error.contains("expected it as the contract has it. Rebuild it against the WIT files"), "{error}");
}
