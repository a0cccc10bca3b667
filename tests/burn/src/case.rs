//! What every case can do: be written in all forms, and be read from one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use burn::record::{Record, RecorderError};
use burn::tensor::TensorData;
use burn::tensor::backend::Backend;
use serde_json::{Value, json};

use crate::recorders;
use crate::values::Values;

/// A thing that Burn records.
pub trait Case {
    fn name(&self) -> &'static str;

    /// Records it in every form and says what is in there.
    fn write(&self, folder: &Path, values: &mut Values) -> Result<Value, RecorderError>;

    /// Loads it into a fresh one and says what is found there.
    fn read(&self, job: &Job) -> Result<Value, RecorderError>;
}

/// One entry of `jobs.json`.
pub struct Job {
    dir: PathBuf,
    entry: Value,
}

impl Job {
    pub fn new(dir: &Path, entry: Value) -> Self {
        let dir = dir.to_path_buf();
        Self { dir, entry }
    }

    pub fn get(&self, key: &str) -> &Value {
        &self.entry[key]
    }

    pub fn text(&self, key: &str) -> &str {
        self.get(key).as_str().unwrap_or_default()
    }

    /// The tensors of these names, as far as the job has them.
    pub fn tensors(&self, names: &[&str]) -> Vec<TensorData> {
        let found = names.iter().filter_map(|name| self.entry.get(name));
        found.map(tensor_of_json).collect()
    }

    /// Loads the record that the entry `key` names, in the job's form.
    pub fn load<B: Backend, R: Record<B>>(&self, key: &str) -> Result<R, RecorderError> {
        let path = self.dir.join(self.text(key));
        recorders::load(self.text("settings"), self.text("recorder"), path)
    }

    /// Records what was loaded once more, if the job asks for a copy.
    pub fn copy<B: Backend, R: Record<B>>(&self, record: R) -> Result<(), RecorderError> {
        match self.text("copy") {
            "" => Ok(()),
            copy => recorders::record(
                self.text("settings"),
                self.text("recorder"),
                record,
                self.dir.join(copy),
            ),
        }
    }
}

/// Reads one file; an error or a panic of Burn becomes the answer.
pub fn read(case: &dyn Case, job: &Job) -> Value {
    let outcome = catch_unwind(AssertUnwindSafe(|| case.read(job)));
    match outcome {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => json!({ "error": error.to_string() }),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string()));
            json!({ "panic": text.unwrap_or_default() })
        }
    }
}

/// `{shape, values}` of a tensor.
pub fn json_of_tensor(data: &TensorData) -> Value {
    json!({ "shape": data.shape.as_slice(), "values": json_of_numbers(data) })
}

/// The numbers of a tensor; infinities and NaN, which JSON lacks, become text.
pub fn json_of_numbers(data: &TensorData) -> Value {
    match data.dtype {
        dtype if dtype.is_bool() => data.iter::<bool>().map(Value::from).collect(),
        dtype if dtype.is_float() => data.iter::<f32>().map(json_of_float).collect(),
        _ => data.iter::<i64>().map(Value::from).collect(),
    }
}

fn json_of_float(number: f32) -> Value {
    if number.is_finite() {
        Value::from(f64::from(number))
    } else {
        Value::from(number.to_string())
    }
}

fn tensor_of_json(stored: &Value) -> TensorData {
    let list = |key: &str| stored[key].as_array().cloned().unwrap_or_default();
    let shape = list("shape")
        .iter()
        .map(|size| size.as_u64().unwrap() as usize)
        .collect::<Vec<_>>();
    let values = list("values")
        .iter()
        .map(|value| value.as_f64().unwrap() as f32)
        .collect::<Vec<_>>();
    TensorData::new(values, shape)
}
