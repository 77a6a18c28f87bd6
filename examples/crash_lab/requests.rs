//! What a supervisor is asked for.

use proscenium::prelude::*;

use crate::paths::find;
use crate::rows::Row;
use crate::shop::worker;

pub async fn ask(shop: &SupervisorRef, row: &Row, word: &str) -> Result<(), String> {
    let above = above(shop, &row.path).await?;
    let answer = match (word, row.place) {
        ("stop", Some(place)) if row.is_dynamic => above.terminate_dynamic(place).await,
        ("stop", _) => above.terminate_child(row.id.as_str()).await,
        ("restart", _) => above.restart_child(row.id.as_str()).await.map(drop),
        _ => above.delete_child(row.id.as_str()).await,
    };
    answer.map_err(|why| why.to_string())
}

pub async fn start(shop: &SupervisorRef, rows: &[Row], path: &str) -> Result<String, String> {
    match find(rows, path) {
        Ok(row) if row.takes_more => {
            let one_more = format!("{}/", row.path);
            let started = above(shop, &one_more).await?.start_dynamic(None).await;
            return started.map(|_| one_more).map_err(|why| why.to_string());
        }
        Ok(row) if row.is_supervisor => {
            return Err(format!("whom? write `start {}/bell`; what is down is started with `restart`", row.path));
        }
        _ => {}
    }
    let (parent, id) = path.rsplit_once('/').ok_or_else(|| format!("where? write `start shop/{path}`"))?;
    let path = format!("{}/{id}", find(rows, parent)?.path);
    above(shop, &path).await?.start_child(worker(id)).await.map(|_| path).map_err(|why| why.to_string())
}

/// The supervisor above the child of this path.
async fn above(shop: &SupervisorRef, path: &str) -> Result<SupervisorRef, String> {
    let Some((above, _)) = path.rsplit_once('/') else {
        return Err(format!("nobody is above {path} who could; `kill {path}` ends it"));
    };
    let mut supervisor = shop.clone();
    for id in above.split('/').skip(1) {
        supervisor = supervisor.supervisor(id).await.map_err(|why| format!("{above}: {why}"))?;
    }
    Ok(supervisor)
}
