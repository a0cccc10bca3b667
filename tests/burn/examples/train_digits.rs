//! Trains the digit model that comes with d2lrec: `train_digits DIR`.
//!
//! DIR/pictures.mpk and DIR/labels.mpk are what `export_digits.py` wrote; the model goes
//! to DIR/digits.mpk. The same on each run, but for the ids of the parameters.

#[path = "open_digits/model.rs"]
mod model;

use std::path::PathBuf;

use burn::backend::{Autodiff, Flex};
use burn::module::{AutodiffModule, Module};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{AdamConfig, GradientsParams, Optimizer};
use burn::record::{DefaultRecorder, Recorder};
use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor};
use model::Digits;

type B = Autodiff<Flex>;

const CLASSES: usize = 8;
const STEPS: usize = 150;
const LEARNING_RATE: f64 = 0.01;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("usage: train_digits DIR")?);
    let device = Default::default();
    let recorder = DefaultRecorder::new();
    let pictures: Tensor<B, 2> = recorder.load(folder.join("pictures"), &device)?;
    let labels: Tensor<B, 1, Int> = recorder.load(folder.join("labels"), &device)?;

    B::seed(&device, 0);
    let mut model = Digits::new(CLASSES, &device);
    let mut optimizer = AdamConfig::new().init();
    let loss = CrossEntropyLossConfig::new().init(&device);
    for _ in 0..STEPS {
        let output = model.forward(pictures.clone());
        let gradients = loss.forward(output, labels.clone()).backward();
        let gradients = GradientsParams::from_grads(gradients, &model);
        model = optimizer.step(LEARNING_RATE, model, gradients);
    }
    model.valid().save_file(folder.join("digits"), &recorder)?;
    Ok(())
}
