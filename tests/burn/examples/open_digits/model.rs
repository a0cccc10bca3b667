//! The network that reads digits: 64 pixels, two hidden layers, one output per class.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Tensor, backend::Backend};

#[derive(Module, Debug)]
pub struct Digits<B: Backend> {
    first: Linear<B>,
    second: Linear<B>,
    head: Linear<B>,
}

impl<B: Backend> Digits<B> {
    pub fn new(classes: usize, device: &B::Device) -> Self {
        Self {
            first: LinearConfig::new(64, 48).init(device),
            second: LinearConfig::new(48, 32).init(device),
            head: LinearConfig::new(32, classes).init(device),
        }
    }

    pub fn forward(&self, pictures: Tensor<B, 2>) -> Tensor<B, 2> {
        let x = relu(self.first.forward(pictures));
        let x = relu(self.second.forward(x));
        self.head.forward(x)
    }
}
