//! Optimizers and learning rate schedulers, recorded after a few real steps.

use std::path::Path;

use burn::backend::flex::FlexDevice;
use burn::backend::{Autodiff, Flex};
use burn::lr_scheduler::LrScheduler;
use burn::lr_scheduler::composed::ComposedLrSchedulerConfig;
use burn::lr_scheduler::constant::ConstantLr;
use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::lr_scheduler::exponential::ExponentialLrSchedulerConfig;
use burn::lr_scheduler::linear::LinearLrSchedulerConfig;
use burn::lr_scheduler::noam::NoamLrSchedulerConfig;
use burn::lr_scheduler::step::StepLrSchedulerConfig;
use burn::module::Module;
use burn::optim::momentum::MomentumConfig;
use burn::optim::*;
use burn::record::RecorderError;
use burn::tensor::{Tensor, TensorData};
use rand::RngExt;
use serde_json::{Value, json};

use crate::case::{Case, Job, json_of_tensor};
use crate::params::{filled, listed};
use crate::recorders::record_all;
use crate::structs::Mlp;
use crate::values::{INPUT, Values};

type B = Flex;
type AB = Autodiff<Flex>;

const STEPS: usize = 3;
const LEARNING_RATE: f64 = 0.05;

struct OptimizerCase<O> {
    name: &'static str,
    optimizer: O,
}

impl<O: Optimizer<Mlp<AB>, AB>> Case for OptimizerCase<O> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn write(&self, folder: &Path, values: &mut Values) -> Result<Value, RecorderError> {
        let start = filled(Mlp::new(&FlexDevice), values);
        let input = values.floats(INPUT, [4, 5]);
        let mut optimizer = self.optimizer.clone();
        let net = train(&mut optimizer, start.clone(), &input, STEPS);
        record_all::<AB, _>(folder, || optimizer.to_record())?;
        Ok(json!({
            "start": listed(&start),
            "params": listed(&net),
            "input": json_of_tensor(&input),
            "steps": STEPS,
            "lr": LEARNING_RATE,
            "loss": "mean(forward(input) ** 2)",
        }))
    }

    /// Loads the optimizer and its net (`net`) and makes more `steps` on `input`.
    fn read(&self, job: &Job) -> Result<Value, RecorderError> {
        let optimizer = self.optimizer.clone();
        let mut optimizer = optimizer.load_record(job.load::<AB, _>("file")?);
        job.copy::<AB, _>(optimizer.to_record())?;
        let net = Mlp::new(&FlexDevice).load_record(job.load::<AB, _>("net")?);
        let steps = job.get("steps").as_u64().unwrap_or_default() as usize;
        let net = match &job.tensors(&["input"])[..] {
            [input] => train(&mut optimizer, net, input, steps),
            _ => net,
        };
        Ok(json!({ "params": listed(&net) }))
    }
}

fn train(
    optimizer: &mut impl Optimizer<Mlp<AB>, AB>,
    mut net: Mlp<AB>,
    input: &TensorData,
    steps: usize,
) -> Mlp<AB> {
    for _ in 0..steps {
        let output = net.forward(Tensor::from_data(input.clone(), &FlexDevice));
        let gradients = output.powi_scalar(2).mean().backward();
        let gradients = GradientsParams::from_grads(gradients, &net);
        net = optimizer.step(LEARNING_RATE, net, gradients);
    }
    net
}

struct SchedulerCase<L> {
    name: &'static str,
    scheduler: L,
}

impl<L: LrScheduler> Case for SchedulerCase<L> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn write(&self, folder: &Path, values: &mut Values) -> Result<Value, RecorderError> {
        // Few enough for three more: after ten, Burn's cosine starts anew and PyTorch's does not.
        let steps = values.pick(5, |rng| rng.random_range(1..=7));
        let mut scheduler = self.scheduler.clone();
        let rates: Vec<f64> = (0..steps).map(|_| scheduler.step()).collect();
        record_all::<B, _>(folder, || scheduler.to_record::<B>())?;
        Ok(json!({ "steps": steps, "learning_rates": rates }))
    }

    /// Loads the scheduler and tells the rates of the next `steps`.
    fn read(&self, job: &Job) -> Result<Value, RecorderError> {
        let record = job.load::<B, L::Record<B>>("file")?;
        job.copy::<B, _>(record.clone())?;
        let mut scheduler = self.scheduler.clone().load_record::<B>(record);
        let steps = job.get("steps").as_u64().unwrap_or_default();
        let rates: Vec<f64> = (0..steps).map(|_| scheduler.step()).collect();
        Ok(json!({ "learning_rates": rates }))
    }
}

fn optimizer<O: Optimizer<Mlp<AB>, AB> + 'static>(
    name: &'static str,
    optimizer: O,
) -> Box<dyn Case> {
    Box::new(OptimizerCase { name, optimizer })
}

fn scheduler<L: LrScheduler + 'static>(name: &'static str, scheduler: L) -> Box<dyn Case> {
    Box::new(SchedulerCase { name, scheduler })
}

#[rustfmt::skip] // a table
pub fn cases() -> Vec<Box<dyn Case>> {
    let cosine = CosineAnnealingLrSchedulerConfig::new;
    let linear = LinearLrSchedulerConfig::new;
    let exponential = ExponentialLrSchedulerConfig::new;
    let composed = ComposedLrSchedulerConfig::new()
        .cosine(cosine(1.0, 10))
        .linear(linear(1.0, 0.5, 20))
        .exponential(exponential(1.0, 0.9));
    vec![
        optimizer("adam", AdamConfig::new().init()),
        optimizer("adam_amsgrad", AdamConfig::new().with_amsgrad(true).init()),
        optimizer("adamw", AdamWConfig::new().init()),
        optimizer("sgd", SgdConfig::new().init()),
        optimizer("sgd_momentum", SgdConfig::new().with_momentum(Some(MomentumConfig::new())).init()),
        optimizer("adagrad", AdaGradConfig::new().init()),
        optimizer("rmsprop", RmsPropConfig::new().init()),
        optimizer("rmsprop_centered", RmsPropConfig::new().with_centered(true).init()),
        optimizer("adan", AdanConfig::new().init()),
        scheduler("scheduler_constant", ConstantLr::new(0.01)),
        scheduler("scheduler_cosine", cosine(0.1, 10).init().unwrap()),
        scheduler("scheduler_linear", linear(0.1, 0.01, 300).init().unwrap()),
        scheduler("scheduler_noam", NoamLrSchedulerConfig::new(1.0).init().unwrap()),
        scheduler("scheduler_exponential", exponential(0.1, 0.9).init().unwrap()),
        scheduler("scheduler_step", StepLrSchedulerConfig::new(0.1, 2).init().unwrap()),
        scheduler("scheduler_composed", composed.init().unwrap()),
    ]
}
