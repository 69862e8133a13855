//! Types and functions of the interfaces as WIT writes them.

use wit_parser::{Function, Resolve, Type, TypeDef, TypeDefKind};

/// A function's declaration: `add: func(series: series, amount: u64)`.
pub(super) fn function(resolve: &Resolve, function: &Function) -> String {
    let params: Vec<String> =
        function.params.iter().map(|param| format!("{}: {}", param.name, name(resolve, &param.ty))).collect();
    let result = function.result.as_ref().map_or(String::new(), |ty| format!(" -> {}", name(resolve, ty)));
    let one_line = format!("{}: func({}){result}", function.name, params.join(", "));
    if one_line.len() <= 120 {
        return one_line;
    }
    let lines: String = params.iter().map(|param| format!("    {param},\n")).collect();
    format!("{}: func(\n{lines}){result}", function.name)
}

/// A type as it is referred to: `list<tuple<string, string>>`.
pub(super) fn name(resolve: &Resolve, ty: &Type) -> String {
    match ty {
        Type::Bool => "bool".to_owned(),
        Type::U8 => "u8".to_owned(),
        Type::U16 => "u16".to_owned(),
        Type::U32 => "u32".to_owned(),
        Type::U64 => "u64".to_owned(),
        Type::S8 => "s8".to_owned(),
        Type::S16 => "s16".to_owned(),
        Type::S32 => "s32".to_owned(),
        Type::S64 => "s64".to_owned(),
        Type::F32 => "f32".to_owned(),
        Type::F64 => "f64".to_owned(),
        Type::Char => "char".to_owned(),
        Type::String => "string".to_owned(),
        Type::ErrorContext => "error-context".to_owned(),
        Type::Id(id) => resolve.types.get(*id).map_or(String::new(), |of| reference(resolve, of)),
    }
}

fn reference(resolve: &Resolve, ty: &TypeDef) -> String {
    if let Some(name) = &ty.name {
        return name.clone();
    }
    let of = |ty: &Type| name(resolve, ty);
    match &ty.kind {
        TypeDefKind::List(element) => format!("list<{}>", of(element)),
        TypeDefKind::Option(some) => format!("option<{}>", of(some)),
        TypeDefKind::Tuple(tuple) => format!("tuple<{}>", tuple.types.iter().map(of).collect::<Vec<_>>().join(", ")),
        TypeDefKind::Result(result) => match (&result.ok, &result.err) {
            (None, None) => "result".to_owned(),
            (Some(ok), None) => format!("result<{}>", of(ok)),
            (ok, Some(err)) => format!("result<{}, {}>", ok.as_ref().map_or("_".to_owned(), of), of(err)),
        },
        TypeDefKind::Type(alias) => of(alias),
        other => other.as_str().to_owned(),
    }
}

/// What a type is made of, each part with its type, if it has one, and its documentation.
pub(super) fn parts<'a>(resolve: &Resolve, ty: &'a TypeDef) -> Vec<(String, Option<&'a str>)> {
    let with_type = |name: &str, ty: &Type| format!("{name}: {}", self::name(resolve, ty));
    match &ty.kind {
        TypeDefKind::Record(record) => record
            .fields
            .iter()
            .map(|field| (with_type(&field.name, &field.ty), field.docs.contents.as_deref()))
            .collect(),
        TypeDefKind::Variant(variant) => {
            let case = |case: &wit_parser::Case| {
                case.ty.as_ref().map_or(case.name.clone(), |ty| format!("{}({})", case.name, self::name(resolve, ty)))
            };
            variant.cases.iter().map(|of| (case(of), of.docs.contents.as_deref())).collect()
        }
        TypeDefKind::Enum(cases) => {
            cases.cases.iter().map(|case| (case.name.clone(), case.docs.contents.as_deref())).collect()
        }
        TypeDefKind::Flags(flags) => {
            flags.flags.iter().map(|flag| (flag.name.clone(), flag.docs.contents.as_deref())).collect()
        }
        _ => Vec::new(),
    }
}

/// The heading of a type: `record request`, `type series = u32`, or where it is used from.
pub(super) fn heading(resolve: &Resolve, ty: &TypeDef) -> String {
    let own = ty.name.as_deref().unwrap_or_default();
    match &ty.kind {
        TypeDefKind::Type(alias) => format!("type {own} = {}", name(resolve, alias)),
        kind => format!("{} {own}", kind.as_str()),
    }
}
