//! Writes records with Burn's own recorders, and reads with them what others wrote.
//!
//! ```text
//! live-burn write DIR [--seed N]   fresh records: random values, random ids
//! live-burn golden DIR             the records under tests/golden: always the same
//! live-burn read DIR               the files of DIR/jobs.json, one line of JSON for each
//! ```

mod case;
mod layers;
mod params;
mod plain;
mod recorders;
mod structs;
mod training;
mod values;

use std::error::Error;
use std::path::Path;
use std::{env, fs};

use case::{Case, Job};
use serde_json::{Value, json};
use values::Values;

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["write", dir] => write(dir.as_ref(), all_cases(), Values::random(0)),
        ["write", dir, "--seed", seed] => {
            write(dir.as_ref(), all_cases(), Values::random(seed.parse()?))
        }
        ["golden", dir] => write(dir.as_ref(), cases(), Values::golden()),
        ["read", dir] => read(dir.as_ref()),
        _ => Err("usage: live-burn write DIR [--seed N] | golden DIR | read DIR".into()),
    }
}

/// Every case, in the order in which the golden files number their parameters.
fn cases() -> Vec<Box<dyn Case>> {
    [layers::cases(), plain::cases(), training::cases()]
        .into_iter()
        .flatten()
        .collect()
}

/// Those, and the ones without golden files.
fn all_cases() -> Vec<Box<dyn Case>> {
    [cases(), layers::unkept()].into_iter().flatten().collect()
}

fn write(dir: &Path, cases: Vec<Box<dyn Case>>, mut values: Values) -> Outcome {
    let mut lines = Vec::new();
    for case in cases {
        let folder = dir.join(case.name());
        fs::create_dir_all(&folder)?;
        let expected = case.write(&folder, &mut values)?;
        lines.push(format!("{}: {expected}", json!(case.name())));
    }
    fs::write(
        dir.join("expected.json"),
        format!("{{\n{}\n}}\n", lines.join(",\n")),
    )?;
    Ok(())
}

fn read(dir: &Path) -> Outcome {
    // A record of another shape makes Burn panic; the line that we print says it all.
    std::panic::set_hook(Box::new(|_| {}));
    let cases = all_cases();
    let jobs: Vec<Value> = serde_json::from_str(&fs::read_to_string(dir.join("jobs.json"))?)?;
    for job in jobs {
        let job = Job::new(dir, job);
        let case = cases.iter().find(|case| case.name() == job.text("case"));
        let case = case.ok_or_else(|| format!("no case {}", job.text("case")))?;
        println!("{}", case::read(case.as_ref(), &job));
    }
    Ok(())
}
