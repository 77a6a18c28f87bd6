//! Orders for a pipeline that runs.

use std::path::{Path, PathBuf};

use proscenium::pipeline::{ControlAnswer, ControlSocket};

use crate::findings::clean;
use crate::pipeline_command::Order;
use crate::plan_file::STATES;
use crate::status_text;

/// # Errors
/// No pipeline listens, or it was not done.
pub async fn run(order: &Order) -> Result<(), String> {
    let socket = match &order.socket {
        Some(socket) => socket.clone(),
        None => ControlSocket::at(&state(order.state.as_deref())?),
    };
    match ControlSocket::ask(&socket, &order.request).await.map_err(|why| why.to_string())? {
        ControlAnswer::Refused { why } => Err(why),
        ControlAnswer::Status { status } if !order.as_json => {
            print!("{}", status_text::text(&status));
            Ok(())
        }
        answer => {
            println!("{}", clean(&answer));
            Ok(())
        }
    }
}

/// The folder that was typed, or the only one there is.
///
/// # Errors
/// There is none, or there are several.
pub fn state(typed: Option<&Path>) -> Result<PathBuf, String> {
    if let Some(state) = typed {
        return Ok(state.to_owned());
    }
    let folders = std::fs::read_dir(STATES).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut folders: Vec<PathBuf> = folders.filter(|path| path.is_dir()).collect();
    folders.sort();
    match folders.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(format!(
            "there is no pipeline's state in {STATES} here; name it: --state FOLDER (that of DIR/orders.toml is \
             DIR/{STATES}/orders, if the file does not say another)"
        )),
        several => {
            let several: Vec<_> = several.iter().map(|folder| folder.display().to_string()).collect();
            Err(format!("there are several pipelines here; name one: --state {}", several.join(", or --state ")))
        }
    }
}
