//! Ending and removing containers and volumes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use testcontainers::bollard::errors::Error;
use testcontainers::bollard::query_parameters::{KillContainerOptions, RemoveVolumeOptions};

use super::daemon::{LEFTOVER_AGE, containers, remove, unless_missing, volume, with_daemon};

/// As long as PostgreSQL may need to write everything to disk.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);

/// Stops a durable server: sessions are ended, everything is written. Tells whether there was one.
pub(crate) fn stop(key: &str) -> Result<bool> {
    with_daemon(async |docker| {
        let running = containers(docker, Some(key))
            .await?
            .into_iter()
            .filter(|it| it.running)
            .collect::<Vec<_>>();
        for container in &running {
            let options = KillContainerOptions {
                signal: "SIGINT".to_owned(),
            };
            unless_missing(docker.kill_container(&container.id, Some(options)).await)
                .with_context(|| format!("failed to stop container `{}`", container.id))?;
        }
        let start = Instant::now();
        while containers(docker, Some(key))
            .await?
            .iter()
            .any(|it| it.running)
        {
            if start.elapsed() > STOP_TIMEOUT {
                bail!(
                    "failed to stop the container of `{key}` within {} seconds",
                    STOP_TIMEOUT.as_secs()
                );
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        for container in containers(docker, Some(key)).await? {
            // It may be on its way out by itself.
            let _ = remove(docker, &container.id).await;
        }
        Ok(!running.is_empty())
    })
}

/// Removes the volume of a durable server that was stopped.
pub(crate) fn remove_volume(key: &str) -> Result<()> {
    with_daemon(async |docker| {
        let name = volume(key);
        // The daemon lets go of a volume a moment after its container is gone.
        let start = Instant::now();
        loop {
            match docker
                .remove_volume(&name, Some(RemoveVolumeOptions { force: true }))
                .await
            {
                Ok(())
                | Err(Error::DockerResponseServerError {
                    status_code: 404, ..
                }) => return Ok(()),
                Err(Error::DockerResponseServerError {
                    status_code: 409, ..
                }) if start.elapsed() < STOP_TIMEOUT => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Err(error) => {
                    return Err(error).with_context(|| format!("failed to remove volume `{name}`"));
                }
            }
        }
    })
}

/// Removes a throw-away container. Tells whether there was one.
pub(crate) fn remove_running(id: &str) -> Result<bool> {
    with_daemon(async |docker| remove(docker, id).await)
}

/// Removes containers that were made and not started, by starts that were killed. Returns how many.
pub(crate) fn remove_leftovers() -> Result<usize> {
    with_daemon(async |docker| {
        let mut removed = 0;
        for container in containers(docker, None).await? {
            if !container.running && container.age > LEFTOVER_AGE {
                removed += usize::from(remove(docker, &container.id).await.unwrap_or(false));
            }
        }
        Ok(removed)
    })
}
