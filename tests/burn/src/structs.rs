//! The modules and records that are no layer of `burn::nn`.

use std::marker::PhantomData;

#[allow(deprecated)] // still what a file of 0.21 may hold
use burn::module::Ignored;
use burn::module::{Module, Param, RunningState};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::*;
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{
    BatchNorm, BatchNormConfig, Dropout, DropoutConfig, LayerNorm, LayerNormConfig, Linear,
    LinearConfig, PositionalEncoding, PositionalEncodingConfig, Relu, RotaryEncoding,
    RotaryEncodingConfig,
};
use burn::record::Record;
use burn::tensor::backend::Backend;
use burn::tensor::{Bool, Int, Tensor};

#[derive(Module, Debug)]
pub struct Mlp<B: Backend> {
    hidden: Linear<B>,
    activation: Relu,
    output: Linear<B>,
}

impl<B: Backend> Mlp<B> {
    pub fn new(device: &B::Device) -> Self {
        Self {
            hidden: LinearConfig::new(5, 4).init(device),
            activation: Relu::new(),
            output: LinearConfig::new(4, 3).with_bias(false).init(device),
        }
    }

    pub fn forward(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        self.output
            .forward(self.activation.forward(self.hidden.forward(x)))
    }
}

#[derive(Module, Debug)]
pub struct Block<B: Backend> {
    conv: Conv2d<B>,
    norm: BatchNorm<B>,
    pool: Option<MaxPool2d>,
    activation: Relu,
}

impl<B: Backend> Block<B> {
    fn new(channels: [usize; 2], pool: Option<MaxPool2d>, device: &B::Device) -> Self {
        Self {
            conv: Conv2dConfig::new(channels, [3, 3]).init(device),
            norm: BatchNormConfig::new(channels[1]).init(device),
            pool,
            activation: Relu::new(),
        }
    }

    fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let x = self
            .activation
            .forward(self.norm.forward(self.conv.forward(x)));
        match &self.pool {
            Some(pool) => pool.forward(x),
            None => x,
        }
    }
}

#[derive(Module, Debug)]
pub struct ConvNet<B: Backend> {
    conv1: Block<B>,
    conv2: Block<B>,
    dropout: Dropout,
    fc: Linear<B>,
    classes: usize,
}

impl<B: Backend> ConvNet<B> {
    pub fn new(device: &B::Device) -> Self {
        let classes = 4;
        Self {
            conv1: Block::new([1, 2], None, device),
            conv2: Block::new([2, 3], Some(pool()), device),
            dropout: DropoutConfig::new(0.5).init(),
            fc: LinearConfig::new(12, classes).init(device),
            classes,
        }
    }

    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 2> {
        let x = self.conv2.forward(self.conv1.forward(x));
        self.fc.forward(self.dropout.forward(x.flatten(1, 3)))
    }

    pub fn with_running_ids(mut self) -> Self {
        self.conv1.norm = with_running_ids(self.conv1.norm);
        self.conv2.norm = with_running_ids(self.conv2.norm);
        self
    }
}

fn pool() -> MaxPool2d {
    MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init()
}

/// Gives the running statistics the two ids after that of `beta`.
///
/// Mapping a module cannot do it: Burn keeps the id of a `RunningState`.
pub fn with_running_ids<B: Backend>(mut norm: BatchNorm<B>) -> BatchNorm<B> {
    let id = norm.beta.id.val();
    let with_id = |n: u64, state: RunningState<Tensor<B, 1>>| {
        RunningState::with_id(id.wrapping_add(n).into(), state.value())
    };
    norm.running_mean = with_id(1, norm.running_mean);
    norm.running_var = with_id(2, norm.running_var);
    norm
}

#[derive(Module, Debug)]
pub enum Choice<B: Backend> {
    Dense(Linear<B>),
    Norm(LayerNorm<B>),
}

/// Every kind of field that a module can have.
#[derive(Module, Debug)]
#[allow(deprecated)]
pub struct Zoo<B: Backend> {
    vec: Vec<Linear<B>>,
    array: [Linear<B>; 2],
    pair: (Linear<B>, LayerNorm<B>),
    some: Option<Linear<B>>,
    none: Option<Linear<B>>,
    choice: Choice<B>,
    other: Choice<B>,
    bare: Param<Tensor<B, 1>>,
    scalar_like: Param<Tensor<B, 1>>,
    n: usize,
    rate: f64,
    name: String,
    flag: bool,
    sizes: [usize; 2],
    maybe: Option<usize>,
    pair_of_constants: (usize, f64),
    ignored: Ignored<Vec<u8>>,
    drop: [Dropout; 2],
    pool: Option<MaxPool2d>,
    buffer: Tensor<B, 1>,
    phantom: PhantomData<B>,
    empty: Vec<Linear<B>>,
}

#[allow(deprecated)]
impl<B: Backend> Zoo<B> {
    pub fn new(device: &B::Device) -> Self {
        let linear = |from, to| LinearConfig::new(from, to).init(device);
        let norm = |size| LayerNormConfig::new(size).init(device);
        let dropout = || DropoutConfig::new(0.5).init();
        let param = |size| Param::from_tensor(Tensor::zeros([size], device));
        Self {
            vec: vec![linear(2, 1), linear(1, 2), linear(2, 2)],
            array: [linear(1, 1), linear(1, 3)],
            pair: (linear(2, 2), norm(2)),
            some: Some(linear(1, 2)),
            none: None,
            choice: Choice::Dense(linear(2, 1)),
            other: Choice::Norm(norm(3)),
            bare: param(4),
            scalar_like: param(1),
            n: 7,
            rate: 0.5,
            name: "zoo".into(),
            flag: true,
            sizes: [3, 4],
            maybe: Some(5),
            pair_of_constants: (6, 0.25),
            ignored: Ignored(vec![1, 2, 3]),
            drop: [dropout(), dropout()],
            pool: Some(pool()),
            buffer: Tensor::ones([3], device),
            phantom: PhantomData,
            empty: vec![],
        }
    }
}

/// The losses: those that can hold tensors are structs, the others nothing.
#[derive(Module, Debug)]
pub struct Losses<B: Backend> {
    fc: Linear<B>,
    cross_entropy: CrossEntropyLoss<B>,
    weighted: CrossEntropyLoss<B>,
    binary: BinaryCrossEntropyLoss<B>,
    weighted_binary: BinaryCrossEntropyLoss<B>,
    mse: MseLoss,
    lp: LpLoss,
    huber: HuberLoss,
    smooth_l1: SmoothL1Loss,
    kl_div: KLDivLoss,
    poisson: PoissonNllLoss,
    cosine: CosineEmbeddingLoss,
    ctc: CTCLoss,
}

impl<B: Backend> Losses<B> {
    pub fn new(device: &B::Device) -> Self {
        let weights = Some(vec![1.0, 2.0, 0.5]);
        let cross_entropy = CrossEntropyLossConfig::new();
        let binary = BinaryCrossEntropyLossConfig::new();
        Self {
            fc: LinearConfig::new(2, 3).init(device),
            cross_entropy: cross_entropy.init(device),
            weighted: cross_entropy.with_weights(weights.clone()).init(device),
            binary: binary.init(device),
            weighted_binary: binary.with_weights(weights).init(device),
            mse: MseLoss::new(),
            lp: LpLossConfig::l1(),
            huber: HuberLossConfig::new(1.0).init(),
            smooth_l1: SmoothL1LossConfig::new().init(),
            kl_div: KLDivLossConfig::new().init(),
            poisson: PoissonNllLossConfig::new().init(),
            cosine: CosineEmbeddingLossConfig::new().init(),
            ctc: CTCLossConfig::new().init(),
        }
    }
}

/// Tables that are computed and not stored, and one that may be missing.
#[derive(Module, Debug)]
pub struct Encodings<B: Backend> {
    fc: Linear<B>,
    positional: PositionalEncoding<B>,
    rotary: RotaryEncoding<B>,
    some: Option<Tensor<B, 1>>,
    none: Option<Tensor<B, 1>>,
}

impl<B: Backend> Encodings<B> {
    pub fn new(device: &B::Device) -> Self {
        Self {
            fc: LinearConfig::new(2, 4).init(device),
            positional: PositionalEncodingConfig::new(4).init(device),
            rotary: RotaryEncodingConfig::new(6, 4).init(device),
            some: Some(Tensor::ones([3], device)),
            none: None,
        }
    }

    pub fn forward(&self, x: Tensor<B, 3>) -> Tensor<B, 3> {
        self.rotary
            .forward(self.positional.forward(self.fc.forward(x)))
    }
}

#[derive(Module, Debug)]
pub struct HardFloats<B: Backend> {
    pub values: Param<Tensor<B, 1>>,
}

#[derive(Module, Debug)]
pub struct Typed<B: Backend> {
    pub ints: Param<Tensor<B, 2, Int>>,
    pub bools: Param<Tensor<B, 1, Bool>>,
    pub floats: Param<Tensor<B, 1>>,
    pub empty: Param<Tensor<B, 2>>,
}

/// A record that belongs to no module: what a training loop might keep.
#[derive(Record, Clone)]
pub struct Progress<B: Backend> {
    pub epoch: usize,
    pub loss: f64,
    pub best: Option<f32>,
    pub seen: i64,
    pub delta: i32,
    pub small: i8,
    pub byte: u8,
    pub done: bool,
    pub name: String,
    pub history: Vec<f64>,
    pub window: [u16; 3],
    pub pair: (i64, String),
    pub weights: Tensor<B, 2>,
    pub mask: Tensor<B, 1, Bool>,
    pub counts: Tensor<B, 1, Int>,
    pub extra: Option<Tensor<B, 1>>,
    pub nothing: Option<Tensor<B, 1>>,
    pub parts: Vec<Tensor<B, 1>>,
}
