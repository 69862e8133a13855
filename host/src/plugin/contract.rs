//! The functions of a component that the host calls: found by name, and of the types that the
//! contract gives them.

use wasmtime::Engine;
use wasmtime::component::types::{Component as Type, ComponentItem};
use wasmtime::component::{Component, ComponentExportIndex, ComponentNamedList, Lift, Lower};

use super::contract_error::ContractError;
use super::shape::Shape;
use super::versions;

/// What a component exports, as far as the host calls it.
#[derive(Clone)]
pub(super) struct Contract {
    pub(super) shape: Shape,
    pub(super) describe: ComponentExportIndex,
    pub(super) configure: ComponentExportIndex,
    pub(super) requests: ComponentExportIndex,
    pub(super) responses: Option<ComponentExportIndex>,
}

/// The exports of a component.
pub(super) struct Exports<'a> {
    component: &'a Component,
    engine: &'a Engine,
    ty: Type,
}

impl<'a> Exports<'a> {
    pub(super) fn of(component: &'a Component, engine: &'a Engine) -> Self {
        Self { component, engine, ty: component.component_type() }
    }

    /// The full name of an interface of the contract that the component exports.
    fn find(&self, interface: &str) -> Option<String> {
        self.ty
            .exports(self.engine)
            .map(|(name, _)| name)
            .find(|name| versions::is_named(name, interface))
            .map(str::to_owned)
    }

    /// A function of an interface, of this very type; `None` where the interface is not exported.
    pub(super) fn function<Params, Return>(
        &self,
        interface: &str,
        function: &'static str,
    ) -> Result<Option<ComponentExportIndex>, ContractError>
    where
        Params: ComponentNamedList + Lower,
        Return: ComponentNamedList + Lift,
    {
        let Some(export) = self.find(interface) else {
            return Ok(None);
        };
        let found = self
            .component
            .get_export_index(None, &export)
            .and_then(|instance| self.component.get_export(Some(&instance), function));
        let problem = match found {
            Some((ComponentItem::ComponentFunc(ty), index)) => {
                match ty.typecheck::<Params, Return>(&self.ty.instance_type()) {
                    Ok(()) => return Ok(Some(index)),
                    Err(error) => format!("has another type: {error:#}"),
                }
            }
            _ => "is missing".to_owned(),
        };
        Err(ContractError::Function { export, function, problem })
    }
}
