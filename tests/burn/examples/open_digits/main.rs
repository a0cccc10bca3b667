//! Opens a digit model and reads pictures with it, both recorded in Python.

mod model;

use burn::backend::Flex;
use burn::module::Module;
use burn::record::{DefaultRecorder, Recorder, RecorderError};
use burn::tensor::Tensor;
use model::Digits;

fn main() -> Result<(), RecorderError> {
    let device = Default::default();
    let recorder = DefaultRecorder::new();

    let record = recorder.load("ten".into(), &device)?;
    let model = Digits::<Flex>::new(10, &device).load_record(record);

    let pictures: Tensor<Flex, 2> = recorder.load("pictures".into(), &device)?;
    let answers = model.forward(pictures).argmax(1).into_data();
    println!("{:?}", answers.iter::<i64>().collect::<Vec<_>>());
    Ok(())
}
