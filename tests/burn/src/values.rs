//! Where numbers and ids come from: a fixed rule for the golden files, or chance.

use burn::module::ParamId;
use burn::tensor::{Shape, TensorData};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Inputs are numbered from here on, parameters of a case from 1.
pub const INPUT: usize = 50;

pub enum Values {
    Golden { last_id: u64 },
    Random(Box<StdRng>),
}

impl Values {
    pub fn golden() -> Self {
        Self::Golden { last_id: 0 }
    }

    pub fn random(seed: u64) -> Self {
        Self::Random(Box::new(StdRng::seed_from_u64(seed)))
    }

    /// The one value, or one by chance.
    pub fn pick<T>(&mut self, golden: T, random: impl FnOnce(&mut StdRng) -> T) -> T {
        match self {
            Self::Golden { .. } => golden,
            Self::Random(rng) => random(rng),
        }
    }

    pub fn id(&mut self) -> ParamId {
        let number = match self {
            Self::Golden { last_id } => {
                *last_id += 1;
                *last_id
            }
            Self::Random(rng) => rng.random(),
        };
        number.into()
    }

    /// Numbers from -1 to 1 for the `number`th tensor of a case.
    ///
    /// The golden ones are multiples of 1/64, so that half precision holds them too.
    pub fn floats(&mut self, number: usize, shape: impl Into<Shape>) -> TensorData {
        let shape = shape.into();
        let floats: Vec<f32> = (0..shape.num_elements())
            .map(|i| {
                let golden = ((i * 37 + number * 11) % 97) as f32 / 64.0 - 0.75;
                self.pick(golden, |rng| rng.random_range(-1.0..1.0))
            })
            .collect();
        TensorData::new(floats, shape)
    }
}
