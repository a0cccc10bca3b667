//! Records that are no module: tensors, lists, pairs, and a struct of everything.

use std::path::Path;

use burn::backend::Flex;
use burn::backend::flex::FlexDevice;
use burn::record::{Record, RecorderError};
use burn::tensor::{Tensor, TensorData};
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use crate::case::{Case, Job, json_of_numbers, json_of_tensor};
use crate::recorders::record_all;
use crate::structs::Progress;
use crate::values::Values;

type B = Flex;

struct PlainCase<R> {
    name: &'static str,
    make: fn(&mut Values) -> R,
    /// What is in it, as `expected.json` says it.
    tell: fn(R) -> Value,
}

impl<R: Record<B> + Clone> Case for PlainCase<R> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn write(&self, folder: &Path, values: &mut Values) -> Result<Value, RecorderError> {
        let record = (self.make)(values);
        record_all::<B, _>(folder, || record.clone())?;
        Ok((self.tell)(record))
    }

    fn read(&self, job: &Job) -> Result<Value, RecorderError> {
        let record: R = job.load::<B, _>("file")?;
        job.copy::<B, _>(record.clone())?;
        Ok((self.tell)(record))
    }
}

pub fn cases() -> Vec<Box<dyn Case>> {
    vec![
        Box::new(PlainCase {
            name: "tensor",
            make: |values| tensor(values, 1, [4]),
            tell: |found| json!({ "tensor": json_of(found) }),
        }),
        Box::new(PlainCase {
            name: "list",
            make: |values| vec![tensor(values, 1, [4]), tensor(values, 2, [3])],
            tell: |found| json!({ "list": found.into_iter().map(json_of).collect::<Value>() }),
        }),
        Box::new(PlainCase {
            name: "pair",
            make: |values| (tensor(values, 1, [4]), tensor(values, 2, [2, 2])),
            tell: |(one, two)| json!({ "pair": [json_of(one), json_of(two)] }),
        }),
        Box::new(PlainCase {
            name: "progress",
            make: progress,
            tell: |found| json!({ "value": json_of_progress(found) }),
        }),
    ]
}

fn tensor<const D: usize>(values: &mut Values, number: usize, shape: [usize; D]) -> Tensor<B, D> {
    from(values.floats(number, shape))
}

fn from<const D: usize>(data: TensorData) -> Tensor<B, D> {
    Tensor::from_data(data, &FlexDevice)
}

fn json_of<const D: usize>(tensor: Tensor<B, D>) -> Value {
    json_of_tensor(&tensor.into_data())
}

fn progress(values: &mut Values) -> Progress<B> {
    let text = "第一 ✓ \"q\"\n";
    let history = [1.0, 1e-300, -2.5, 1e21, 0.1 + 0.2];
    let counts = [1, -2, 3].map(|n| values.pick(n, |rng| i32::from(rng.random::<i16>())));
    let mask = [true, false].map(|flag| values.pick(flag, |rng| rng.random()));
    Progress {
        epoch: values.pick(300, |rng| rng.random::<u64>() as usize),
        loss: values.pick(0.1, finite),
        best: values.pick(Some(0.5), |rng| Some(finite(rng) as f32)),
        seen: values.pick(-70000, |rng| rng.random()),
        delta: values.pick(-1, |rng| rng.random()),
        small: values.pick(-128, |rng| rng.random()),
        byte: values.pick(255, |rng| rng.random()),
        done: values.pick(true, |rng| rng.random()),
        name: values.pick(text.into(), string),
        history: history.map(|float| values.pick(float, finite)).to_vec(),
        window: [1, 250, 65535].map(|n| values.pick(n, |rng| rng.random())),
        pair: (
            values.pick(-(1 << 40), |rng| rng.random()),
            values.pick("x".repeat(300), string),
        ),
        weights: tensor(values, 3, [2, 3]),
        mask: Tensor::from_data(mask, &FlexDevice),
        counts: Tensor::from_data(counts, &FlexDevice),
        extra: Some(tensor(values, 4, [1])),
        nothing: None,
        parts: vec![tensor(values, 5, [1]), tensor(values, 6, [2])],
    }
}

/// Any float that JSON can hold.
fn finite(rng: &mut StdRng) -> f64 {
    loop {
        let float = f64::from_bits(rng.random());
        if float.is_finite() && (float as f32).is_finite() {
            return float;
        }
    }
}

/// Any characters, and often enough those that JSON must escape.
fn string(rng: &mut StdRng) -> String {
    let length = rng.random_range(0..300);
    let mut one = || match rng.random_range(0..3) {
        0 => char::from(rng.random_range(0..128u8)),
        _ => rng.random(),
    };
    (0..length).map(|_| one()).collect()
}

fn json_of_progress(found: Progress<B>) -> Value {
    json!({
        "epoch": found.epoch,
        "loss": found.loss,
        "best": found.best,
        "seen": found.seen,
        "delta": found.delta,
        "small": found.small,
        "byte": found.byte,
        "done": found.done,
        "name": found.name,
        "history": found.history,
        "window": found.window,
        "pair": found.pair,
        "weights": json_of(found.weights),
        "mask": json_of_numbers(&found.mask.into_data()),
        "counts": json_of_numbers(&found.counts.into_data()),
        "extra": found.extra.map(json_of),
        "nothing": found.nothing.map(json_of),
        "parts": found.parts.into_iter().map(json_of).collect::<Value>(),
    })
}
