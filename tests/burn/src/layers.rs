//! Modules: the layers of `burn::nn`, and structs made of them.

use std::path::Path;

use burn::backend::Flex;
use burn::backend::flex::FlexDevice;
use burn::module::{Module, Param};
use burn::nn::activation::ActivationConfig;
use burn::nn::attention::{CrossAttentionConfig, MhaInput, MultiHeadAttentionConfig};
use burn::nn::conv::*;
use burn::nn::gru::{BiGruConfig, GruConfig};
use burn::nn::transformer::*;
use burn::nn::*;
use burn::record::RecorderError;
use burn::tensor::{Tensor, TensorData};
use rand::RngExt;
use serde_json::{Value, json};

use crate::case::{Case, Job, json_of_tensor};
use crate::params::{filled, listed};
use crate::recorders::record_all;
use crate::structs::*;
use crate::values::{INPUT, Values};

type B = Flex;

/// The tensors that go into a forward pass, by these names.
const INPUTS: [&str; 2] = ["input", "memory"];

struct ModuleCase<M> {
    name: &'static str,
    /// Makes a module with values in it.
    init: Box<dyn Fn(&mut Values) -> M>,
    /// Makes what goes into its forward pass.
    draw: Box<Draw>,
    forward: Option<Box<Forward<M>>>,
}

type Draw = dyn Fn(&mut Values) -> Vec<TensorData>;
type Forward<M> = dyn Fn(&M, &[TensorData]) -> TensorData;

impl<M: Module<B>> Case for ModuleCase<M> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn write(&self, folder: &Path, values: &mut Values) -> Result<Value, RecorderError> {
        let module = (self.init)(values);
        record_all::<B, _>(folder, || module.clone().into_record())?;
        let inputs = (self.draw)(values);
        let mut expected = self.found(&module, &inputs);
        for (name, input) in INPUTS.iter().zip(&inputs) {
            expected[name] = json_of_tensor(input);
        }
        Ok(expected)
    }

    fn read(&self, job: &Job) -> Result<Value, RecorderError> {
        let fresh = (self.init)(&mut Values::random(1));
        let module = fresh.load_record(job.load::<B, M::Record>("file")?);
        job.copy::<B, _>(module.clone().into_record())?;
        Ok(self.found(&module, &job.tensors(&INPUTS)))
    }
}

impl<M: Module<B>> ModuleCase<M> {
    fn found(&self, module: &M, inputs: &[TensorData]) -> Value {
        let mut found = json!({ "params": listed(module) });
        if let (Some(forward), false) = (&self.forward, inputs.is_empty()) {
            found["output"] = json_of_tensor(&forward(module, inputs));
        }
        found
    }
}

/// A module without a forward pass.
fn plain<M: Module<B>>(
    name: &'static str,
    init: impl Fn(&mut Values) -> M + 'static,
) -> ModuleCase<M> {
    ModuleCase {
        name,
        init: Box::new(init),
        draw: Box::new(|_| vec![]),
        forward: None,
    }
}

/// A module with a forward pass on a tensor of this shape.
fn module<M: Module<B>, const D: usize, const E: usize>(
    name: &'static str,
    shape: [usize; D],
    init: impl Fn(&FlexDevice) -> M + 'static,
    forward: impl Fn(&M, Tensor<B, D>) -> Tensor<B, E> + 'static,
) -> ModuleCase<M> {
    ModuleCase {
        draw: Box::new(move |values| vec![values.floats(INPUT, shape)]),
        forward: Some(Box::new(move |module, inputs| {
            forward(module, tensor(&inputs[0])).into_data()
        })),
        ..plain(name, move |values| filled(init(&FlexDevice), values))
    }
}

fn layer<M: Module<B> + 'static, const D: usize, const E: usize>(
    name: &'static str,
    shape: [usize; D],
    init: impl Fn(&FlexDevice) -> M + 'static,
    forward: impl Fn(&M, Tensor<B, D>) -> Tensor<B, E> + 'static,
) -> Box<dyn Case> {
    Box::new(module(name, shape, init, forward))
}

fn tensor<const D: usize>(data: &TensorData) -> Tensor<B, D> {
    Tensor::from_data(data.clone(), &FlexDevice)
}

#[rustfmt::skip] // a table
pub fn cases() -> Vec<Box<dyn Case>> {
    vec![
        layer("linear", [2, 2], |d| LinearConfig::new(2, 3).init(d), |m, x| m.forward(x)),
        layer("linear_no_bias", [2, 3], |d| LinearConfig::new(3, 2).with_bias(false).init(d), |m, x| m.forward(x)),
        layer("linear_column_layout", [2, 2], |d| LinearConfig::new(2, 3).with_layout(LinearLayout::Col).init(d), |m, x| m.forward(x)),
        embedding(),
        layer("conv1d", [1, 4, 7], |d| Conv1dConfig::new(4, 2, 3).with_stride(2).with_padding(PaddingConfig1d::Explicit(1, 1)).with_groups(2).init(d), |m, x| m.forward(x)),
        layer("conv2d", [1, 2, 6, 5], |d| Conv2dConfig::new([2, 4], [3, 2]).with_stride([1, 2]).with_dilation([2, 1]).with_padding(PaddingConfig2d::Explicit(1, 0, 1, 0)).init(d), |m, x| m.forward(x)),
        layer("conv3d", [1, 1, 3, 3, 3], |d| Conv3dConfig::new([1, 2], [2, 2, 2]).with_bias(false).init(d), |m, x| m.forward(x)),
        layer("conv_transpose1d", [1, 2, 4], |d| ConvTranspose1dConfig::new([2, 4], 3).with_stride(2).with_padding(1).with_padding_out(1).with_groups(2).init(d), |m, x| m.forward(x)),
        layer("conv_transpose2d", [1, 2, 3, 3], |d| ConvTranspose2dConfig::new([2, 3], [2, 3]).with_stride([2, 1]).init(d), |m, x| m.forward(x)),
        layer("conv_transpose3d", [1, 1, 2, 2, 2], |d| ConvTranspose3dConfig::new([1, 2], [2, 1, 2]).init(d), |m, x| m.forward(x)),
        batch_norm(),
        layer("layer_norm", [2, 4], |d| LayerNormConfig::new(4).init(d), |m, x| m.forward(x)),
        layer("layer_norm_no_bias", [2, 4], |d| LayerNormConfig::new(4).with_bias(false).init(d), |m, x| m.forward(x)),
        layer("group_norm", [2, 4, 3], |d| GroupNormConfig::new(2, 4).init(d), |m, x| m.forward(x)),
        layer("group_norm_plain", [2, 4, 3], |d| GroupNormConfig::new(2, 4).with_affine(false).init(d), |m, x| m.forward(x)),
        layer("instance_norm", [2, 3, 4], |d| InstanceNormConfig::new(3).init(d), |m, x| m.forward(x)),
        layer("rms_norm", [2, 4], |d| RmsNormConfig::new(4).init(d), |m, x| m.forward(x)),
        layer("prelu", [2, 3, 2], |d| PReluConfig::new().with_num_parameters(3).init(d), |m, x| m.forward(x)),
        layer("swiglu", [2, 3], |d| SwiGluConfig::new(3, 4).init(d), |m, x| m.forward(x)),
        layer("lstm", [2, 4, 3], |d| LstmConfig::new(3, 2, true).init(d), |m, x| m.forward(x, None).0),
        layer("lstm_no_bias", [2, 4, 3], |d| LstmConfig::new(3, 2, false).init(d), |m, x| m.forward(x, None).0),
        layer("bi_lstm", [2, 4, 3], |d| BiLstmConfig::new(3, 2, true).init(d), |m, x| m.forward(x, None).0),
        layer("gru", [2, 4, 3], |d| GruConfig::new(3, 2, true).init(d), |m, x| m.forward(x, None)),
        layer("gru_reset_before", [2, 4, 3], |d| GruConfig::new(3, 2, true).with_reset_after(false).init(d), |m, x| m.forward(x, None)),
        layer("bi_gru", [2, 4, 3], |d| BiGruConfig::new(3, 2, true).init(d), |m, x| m.forward(x, None).0),
        layer("rnn", [2, 4, 3], |d| RnnConfig::new(3, 2, true).init(d), |m, x| m.forward(x, None).0),
        layer("bi_rnn", [2, 4, 3], |d| BiRnnConfig::new(3, 2, true).init(d), |m, x| m.forward(x, None).0),
        layer("multi_head_attention", [2, 3, 4], |d| MultiHeadAttentionConfig::new(4, 2).with_dropout(0.0).init(d), |m, x| m.forward(MhaInput::self_attn(x)).context),
        Box::new(plain("cross_attention", |values| filled(CrossAttentionConfig::new(4, 3, 2, 1, 2).init::<B>(&FlexDevice), values))),
        layer("feed_forward", [2, 3, 4], |d| PositionWiseFeedForwardConfig::new(4, 6).with_dropout(0.0).with_activation(ActivationConfig::Gelu).init(d), |m, x| m.forward(x)),
        encoder("transformer_encoder", 2, false),
        encoder("transformer_encoder_norm_first", 1, true),
        decoder("transformer_decoder", 1, false),
        decoder("transformer_decoder_norm_first", 2, true),
        layer("mlp", [2, 5], Mlp::new, |m, x| m.forward(x)),
        conv_net(),
        Box::new(plain("zoo", |values| filled(Zoo::<B>::new(&FlexDevice), values))),
        Box::new(plain("hard_floats", hard_floats)),
        Box::new(plain("typed", typed)),
    ]
}

/// What came after the golden files: modules that store none of their tensors.
pub fn unkept() -> Vec<Box<dyn Case>> {
    let losses = |values: &mut Values| filled(Losses::<B>::new(&FlexDevice), values);
    vec![
        Box::new(plain("losses", losses)),
        layer("encodings", [2, 6, 2], Encodings::new, |m, x| m.forward(x)),
    ]
}

fn embedding() -> Box<dyn Case> {
    let tokens = |values: &mut Values| {
        let golden = [0.0, 4.0, 2.0, 2.0];
        let tokens = golden.map(|token| values.pick(token, |rng| rng.random_range(0..5) as f32));
        vec![TensorData::new(tokens.to_vec(), [2, 2])]
    };
    Box::new(ModuleCase {
        draw: Box::new(tokens),
        ..module(
            "embedding",
            [2, 2],
            |device| EmbeddingConfig::new(5, 3).init(device),
            |module, x| module.forward(x.int()),
        )
    })
}

fn batch_norm() -> Box<dyn Case> {
    let build = |device: &FlexDevice| BatchNormConfig::new(3).init(device);
    Box::new(ModuleCase {
        init: Box::new(move |values| with_running_ids(filled(build(&FlexDevice), values))),
        ..module("batch_norm", [2, 3, 2, 2], build, |module, x| {
            module.forward(x)
        })
    })
}

fn conv_net() -> Box<dyn Case> {
    Box::new(ModuleCase {
        init: Box::new(|values| filled(ConvNet::new(&FlexDevice), values).with_running_ids()),
        ..module("conv_net", [2, 1, 8, 8], ConvNet::new, |module, x| {
            module.forward(x)
        })
    })
}

fn encoder(name: &'static str, layers: usize, norm_first: bool) -> Box<dyn Case> {
    let config = TransformerEncoderConfig::new(4, 6, 2, layers);
    let config = config.with_dropout(0.0).with_norm_first(norm_first);
    layer(
        name,
        [2, 3, 4],
        move |device| config.init(device),
        |module, x| module.forward(TransformerEncoderInput::new(x)),
    )
}

fn decoder(name: &'static str, layers: usize, norm_first: bool) -> Box<dyn Case> {
    let config = TransformerDecoderConfig::new(4, 6, 2, layers);
    let config = config.with_dropout(0.0).with_norm_first(norm_first);
    let init = move |values: &mut Values| filled(config.init::<B>(&FlexDevice), values);
    Box::new(ModuleCase {
        draw: Box::new(|values| {
            vec![
                values.floats(INPUT, [2, 3, 4]),
                values.floats(INPUT + 1, [2, 5, 4]),
            ]
        }),
        forward: Some(Box::new(|module: &TransformerDecoder<B>, inputs| {
            let input = TransformerDecoderInput::new(tensor(&inputs[0]), tensor(&inputs[1]));
            module.forward(input).into_data()
        })),
        ..plain(name, init)
    })
}

/// Floats at the edges of the formats, or any bits whatever.
fn hard_floats(values: &mut Values) -> HardFloats<B> {
    #[rustfmt::skip]
    let golden = [
        0.0, -0.0, 1.0, 0.1, -0.1, 65504.0, 65520.0, -70000.0, 1e-8, 6e-8, 3e-5, 1.175_494_4e-38,
        1e-45, f32::MAX, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 2049.0, 2051.0, 1.000_488_3,
        1.0 / 3.0,
    ];
    let floats = golden.map(|float| values.pick(float, |rng| f32::from_bits(rng.random())));
    let id = values.pick(77, |rng| rng.random());
    let floats = Tensor::from_data(floats, &FlexDevice);
    HardFloats {
        values: Param::initialized(id.into(), floats),
    }
}

/// Parameters of every kind, whose integers fit into the 16 bits of half precision.
fn typed(values: &mut Values) -> Typed<B> {
    let device = FlexDevice;
    let ints = [[0, -1, 127], [-128, 32767, -32768]];
    let ints = ints.map(|row| row.map(|n| values.pick(n, |rng| i32::from(rng.random::<i16>()))));
    let bools = [true, false, true].map(|flag| values.pick(flag, |rng| rng.random()));
    let floats = [0.5, -2.0].map(|float: f32| values.pick(float, |rng| rng.random()));
    let ids = [u64::MAX, 42, 0, 1 << 40].map(|id| values.pick(id, |rng| rng.random()));
    Typed {
        ints: Param::initialized(ids[0].into(), Tensor::from_data(ints, &device)),
        bools: Param::initialized(ids[1].into(), Tensor::from_data(bools, &device)),
        floats: Param::initialized(ids[2].into(), Tensor::from_data(floats, &device)),
        empty: Param::initialized(ids[3].into(), Tensor::zeros([0, 3], &device)),
    }
}
