//! Reads digits with a model that is part of the program: it opens no file.

#[path = "../open_digits/model.rs"]
mod model;

use burn::backend::Flex;
use burn::module::Module;
use burn::record::{BinBytesRecorder, FullPrecisionSettings, Recorder, RecorderError};
use burn::tensor::{Tensor, TensorData};
use model::Digits;

static MODEL: &[u8] = include_bytes!("model.bin");

fn main() -> Result<(), RecorderError> {
    let device = Default::default();
    let recorder = BinBytesRecorder::<FullPrecisionSettings, &[u8]>::default();
    let record = recorder.load(MODEL, &device)?;
    let model = Digits::<Flex>::new(8, &device).load_record(record);

    for line in std::io::stdin().lines() {
        let text = line.expect("a line of text");
        let numbers = text.split_whitespace().map(|word| word.parse::<f32>());
        let pixels: Vec<f32> = numbers.map(|pixel| pixel.expect("a number") / 16.0).collect();
        let picture = Tensor::from_data(TensorData::new(pixels, [1, 64]), &device);
        println!("{}", model.forward(picture).argmax(1).into_scalar());
    }
    Ok(())
}
