use std::{error::Error, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let proto = "../../proto"; // the contract, and google/api/*.proto, which it imports
    let mut files = Vec::new();
    for file in fs::read_dir(format!("{proto}/chatcompletion/v1"))? {
        files.push(file?.path());
    }
    let mut config = tonic_prost_build::Config::new();
    config.enable_type_names(); // chatpb finds a message's codec by its name
    tonic_prost_build::configure().compile_fds_with_config(protox::compile(files, [proto])?, config)?;
    println!("cargo:rerun-if-changed={proto}");
    Ok(())
}
