use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

fn main() -> Result<(), Box<dyn Error>> {
    // docs: generate
    let proto = "../../../proto";
    let mut files = Vec::new();
    for file in fs::read_dir(format!("{proto}/chatcompletion/v1"))? {
        files.push(file?.path());
    }
    let contract = protox::compile(files, [proto])?;
    let mut config = tonic_prost_build::Config::new();
    config.enable_type_names(); // generates ChatCompletion::full_name() and similar
    tonic_prost_build::configure().compile_fds_with_config(contract.clone(), config)?; // writes to $OUT_DIR
    // docs: end

    let protocol = protox::compile(["../conformance.proto"], [".."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("contract.binpb"), contract.encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(protocol)?;
    println!("cargo:rerun-if-changed={proto}");
    println!("cargo:rerun-if-changed=../conformance.proto");
    Ok(())
}
