//! Burn's eight recorders and three settings, by the names that the files have.

use std::fs;
use std::path::{Path, PathBuf};

use burn::record::*;
use burn::tensor::backend::Backend;

pub const SETTINGS: [&str; 3] = ["full", "half", "double"];
pub const RECORDERS: [&str; 8] = [
    "mpk",
    "mpk.gz",
    "bin",
    "bin.gz",
    "json.gz",
    "json",
    "bytes-bin",
    "bytes-mpk",
];

type Outcome<T> = Result<T, RecorderError>;

/// Calls a function with the type of the settings of this name.
macro_rules! with_settings {
    ($name:expr, $function:ident($($argument:expr),*)) => {
        match $name {
            "full" => $function::<FullPrecisionSettings, _, _>($($argument),*),
            "half" => $function::<HalfPrecisionSettings, _, _>($($argument),*),
            "double" => $function::<DoublePrecisionSettings, _, _>($($argument),*),
            other => Err(RecorderError::Unknown(format!("no settings {other}"))),
        }
    };
}

/// Expands the arms for files or for bytes with the recorder of this name.
macro_rules! with_recorder {
    ($name:expr, $file:ident, $bytes:ident) => {
        match $name {
            "mpk" => $file!(NamedMpkFileRecorder<S>),
            "mpk.gz" => $file!(NamedMpkGzFileRecorder<S>),
            "bin" => $file!(BinFileRecorder<S>),
            "bin.gz" => $file!(BinGzFileRecorder<S>),
            "json.gz" => $file!(JsonGzFileRecorder<S>),
            "json" => $file!(PrettyJsonFileRecorder<S>),
            "bytes-bin" => $bytes!(BinBytesRecorder<S>),
            "bytes-mpk" => $bytes!(NamedMpkBytesRecorder<S>),
            other => Err(RecorderError::Unknown(format!("no recorder {other}"))),
        }
    };
}

/// Records one thing in each of the 24 forms, as `full.mpk`, `half.json.gz` and so on.
pub fn record_all<B: Backend, R: Record<B>>(folder: &Path, record: impl Fn() -> R) -> Outcome<()> {
    for settings in SETTINGS {
        for recorder in RECORDERS {
            self::record(settings, recorder, record(), folder.join(settings))?;
        }
    }
    Ok(())
}

/// Records to `path` with the recorder's name after it.
pub fn record<B: Backend, R: Record<B>>(
    settings: &str,
    recorder: &str,
    record: R,
    path: PathBuf,
) -> Outcome<()> {
    with_settings!(settings, record_as(recorder, record, path))
}

/// Loads from `path` with the recorder's name after it.
pub fn load<B: Backend, R: Record<B>>(settings: &str, recorder: &str, path: PathBuf) -> Outcome<R> {
    with_settings!(settings, load_as(recorder, path))
}

fn record_as<S: PrecisionSettings, B: Backend, R: Record<B>>(
    recorder: &str,
    record: R,
    path: PathBuf,
) -> Outcome<()> {
    macro_rules! file {
        ($kind:ty) => {
            Recorder::<B>::record(&<$kind>::default(), record, path)
        };
    }
    macro_rules! bytes {
        ($kind:ty) => {{
            let bytes = Recorder::<B>::record(&<$kind>::default(), record, ())?;
            fs::write(path.with_added_extension(recorder), bytes).map_err(unknown)
        }};
    }
    with_recorder!(recorder, file, bytes)
}

fn load_as<S: PrecisionSettings, B: Backend, R: Record<B>>(
    recorder: &str,
    path: PathBuf,
) -> Outcome<R> {
    let device = B::Device::default();
    macro_rules! file {
        ($kind:ty) => {
            Recorder::<B>::load(&<$kind>::default(), path, &device)
        };
    }
    macro_rules! bytes {
        ($kind:ty) => {{
            let bytes = fs::read(path.with_added_extension(recorder)).map_err(unknown)?;
            Recorder::<B>::load(&<$kind>::default(), bytes, &device)
        }};
    }
    with_recorder!(recorder, file, bytes)
}

fn unknown(error: std::io::Error) -> RecorderError {
    RecorderError::Unknown(error.to_string())
}
