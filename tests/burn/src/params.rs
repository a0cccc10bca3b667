//! The parameters of a module: how they get their values, and what they are.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{Bool, DType, Int, Tensor, TensorData};
use serde_json::{Value, json};

use crate::case::json_of_numbers;
use crate::values::Values;

/// Gives every parameter a value and an id.
pub fn filled<B: Backend, M: Module<B>>(module: M, values: &mut Values) -> M {
    let (number, path) = (0, Vec::new());
    module.map(&mut Filler {
        values,
        number,
        path,
    })
}

struct Filler<'a> {
    values: &'a mut Values,
    number: usize,
    path: Vec<String>,
}

impl<B: Backend> ModuleMapper<B> for Filler<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let (_, old, mapper) = param.consume();
        self.number += 1;
        let data = self.values.floats(self.number, old.shape());
        let mut new = Tensor::from_data(data, &old.device());
        if self.path.last().is_some_and(|name| name == "running_var") {
            new = new.abs() + 0.25; // a variance
        }
        let new = new.set_require_grad(old.is_require_grad());
        Param::from_mapped_value(self.values.id(), new, mapper)
    }
}

/// Path, id, dtype, shape and values of every parameter, in the module's order.
pub fn listed<B: Backend, M: Module<B>>(module: &M) -> Value {
    let mut lister = Lister::default();
    module.visit(&mut lister);
    Value::Array(lister.params)
}

#[derive(Default)]
struct Lister {
    path: Vec<String>,
    params: Vec<Value>,
}

impl Lister {
    fn add(&mut self, id: u64, dtype: DType, data: &TensorData) {
        self.params.push(json!({
            "path": self.path.join("."),
            "id": id.to_string(),
            "dtype": format!("{dtype:?}"),
            "shape": data.shape.as_slice(),
            "values": json_of_numbers(data),
        }));
    }
}

impl<B: Backend> ModuleVisitor<B> for Lister {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let tensor = param.val();
        self.add(param.id.val(), tensor.dtype(), &tensor.to_data());
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<B, D, Int>>) {
        let tensor = param.val();
        self.add(param.id.val(), tensor.dtype(), &tensor.to_data());
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<B, D, Bool>>) {
        let tensor = param.val();
        self.add(param.id.val(), tensor.dtype(), &tensor.to_data());
    }
}
