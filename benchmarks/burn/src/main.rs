//! Saves and loads a set of tensors with Burn's own recorders, and says how long it took.
//!
//! The first line of the input is a JSON list of shapes: a module with a parameter for each is
//! made. Every other line is a command, answered with seconds by this program's own clock:
//!
//! ```text
//! save FILE.mpk     save FILE.mpk.gz     load FILE.mpk     load FILE.mpk.gz
//! ```

use std::error::Error;
use std::io::{BufRead, stdin};
use std::time::Instant;

use burn::backend::Flex;
use burn::module::{Module, Param};
use burn::record::{FullPrecisionSettings, NamedMpkFileRecorder, NamedMpkGzFileRecorder};
use burn::tensor::backend::Backend;
use burn::tensor::{Distribution, Tensor};

/// Parameters of one to four dimensions.
#[derive(Module, Debug)]
struct Set<B: Backend> {
    ones: Vec<Param<Tensor<B, 1>>>,
    twos: Vec<Param<Tensor<B, 2>>>,
    threes: Vec<Param<Tensor<B, 3>>>,
    fours: Vec<Param<Tensor<B, 4>>>,
}

/// The parameters that have D dimensions, with numbers about as large as weights are.
fn of_rank<B: Backend, const D: usize>(
    shapes: &[Vec<usize>],
    device: &B::Device,
) -> Vec<Param<Tensor<B, D>>> {
    let shapes = shapes.iter().filter_map(|shape| <[usize; D]>::try_from(shape.clone()).ok());
    let normal = Distribution::Normal(0.0, 0.05);
    shapes.map(|shape| Param::from_tensor(Tensor::random(shape, normal, device))).collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    let device = Default::default();
    let mut lines = stdin().lock().lines();
    let first = lines.next().ok_or("a list of shapes expected")??;
    let shapes: Vec<Vec<usize>> = serde_json::from_str(&first)?;
    let set: Set<Flex> = Set {
        ones: of_rank(&shapes, &device),
        twos: of_rank(&shapes, &device),
        threes: of_rank(&shapes, &device),
        fours: of_rank(&shapes, &device),
    };
    println!("{}", shapes.len());
    let mpk = NamedMpkFileRecorder::<FullPrecisionSettings>::new();
    let gz = NamedMpkGzFileRecorder::<FullPrecisionSettings>::new();
    for line in lines {
        let line = line?;
        let (verb, file) = line.split_once(' ').ok_or("a verb and a file expected")?;
        let copy = set.clone(); // shares its memory
        let start = Instant::now();
        let loaded = match (verb, file.strip_suffix(".mpk"), file.strip_suffix(".mpk.gz")) {
            ("save", Some(path), _) => copy.save_file(path, &mpk).map(|()| None)?,
            ("save", _, Some(path)) => copy.save_file(path, &gz).map(|()| None)?,
            ("load", Some(path), _) => Some(copy.load_file(path, &mpk, &device)?),
            ("load", _, Some(path)) => Some(copy.load_file(path, &gz, &device)?),
            _ => return Err("save or load, and .mpk or .mpk.gz, expected".into()),
        };
        println!("{}", start.elapsed().as_secs_f64());
        drop(loaded);
    }
    Ok(())
}
