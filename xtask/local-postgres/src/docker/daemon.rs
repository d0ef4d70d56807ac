//! Talking to the daemon.

use std::collections::HashMap;
use std::mem;
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error;
use testcontainers::bollard::query_parameters::{ListContainersOptions, RemoveContainerOptions};
use testcontainers::core::client::docker_client_instance;
use tokio::runtime::{Builder, Runtime};

use crate::variable::SettingsError;

/// A daemon on this machine answers within milliseconds.
const DAEMON_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer than Docker takes to start a container that it has made.
pub(super) const LEFTOVER_AGE: Duration = Duration::from_secs(120);

/// On every container: the key of its order.
pub(super) const LABEL: &str = "local-postgres.key";

/// One for all: the client keeps connections that belong to it.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime needs no more than a pipe")
});

/// The volume of a durable server.
pub(crate) fn volume(key: &str) -> String {
    format!("local-postgres-{key}")
}

/// Works with the daemon, in a thread of its own, so that the caller may be in a runtime itself.
///
/// A daemon that stops or hangs in the middle ends the work, which would wait for minutes or fail with a riddle.
pub(super) fn with_daemon<T: Send>(
    work: impl AsyncFnOnce(&Docker) -> Result<T> + Send,
) -> Result<T> {
    let watched = async || {
        let docker = docker_client_instance()
            .await
            .map_err(|error| unavailable(&causes(&error)))?;
        check(&docker).await?;
        let mut work = Box::pin(work(&docker));
        loop {
            let result = tokio::time::timeout(DAEMON_TIMEOUT, &mut work).await;
            if let Ok(Ok(done)) = result {
                return Ok(done);
            }
            if let Err(error) = check(&docker).await {
                // Dropping it would ask the daemon to remove what was started. That ends itself.
                mem::forget(work);
                return Err(error);
            }
            if let Ok(Err(error)) = result {
                return Err(error);
            }
        }
    };
    thread::scope(|scope| {
        scope
            .spawn(|| RUNTIME.block_on(watched()))
            .join()
            .unwrap_or_else(|_| bail!("failed to talk to Docker"))
    })
}

/// Makes sure that the daemon answers.
async fn check(docker: &Docker) -> Result<()> {
    match tokio::time::timeout(DAEMON_TIMEOUT, docker.ping()).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(unavailable(&causes(&error))),
        Err(_) => Err(unavailable(&format!(
            "no answer within {} seconds",
            DAEMON_TIMEOUT.as_secs()
        ))),
    }
}

fn unavailable(cause: &str) -> anyhow::Error {
    SettingsError::with_remedy(
        format!("failed to reach the Docker daemon: {cause}"),
        "start Docker, or use installed PostgreSQL, with LOCAL_POSTGRES_PROVIDER unset or `native`",
    )
}

/// A container of ours.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) id: String,
    /// Of its order.
    pub(super) key: String,
    pub(super) running: bool,
    pub(super) age: Duration,
}

/// The containers of a key, or all of ours.
pub(super) async fn containers(docker: &Docker, key: Option<&str>) -> Result<Vec<Found>> {
    let label = key.map_or_else(|| LABEL.to_owned(), |key| format!("{LABEL}={key}"));
    let filters = HashMap::from([("label".to_owned(), vec![label])]);
    let options = ListContainersOptions {
        all: true,
        filters: Some(filters),
        ..Default::default()
    };
    let list = docker
        .list_containers(Some(options))
        .await
        .context("failed to list containers")?;
    let now = UNIX_EPOCH
        .elapsed()
        .unwrap_or_default()
        .as_secs()
        .cast_signed();
    Ok(list
        .into_iter()
        .map(|container| Found {
            id: container.id.unwrap_or_default(),
            key: container
                .labels
                .and_then(|mut labels| labels.remove(LABEL))
                .unwrap_or_default(),
            age: Duration::from_secs(
                (now - container.created.unwrap_or(now))
                    .max(0)
                    .unsigned_abs(),
            ),
            // A paused container belongs to a person.
            running: container.state.is_some_and(|state| {
                !["created", "exited", "dead", "removing"].contains(&state.to_string().as_str())
            }),
        })
        .collect())
}

/// Removes a container. Tells whether there was one.
pub(super) async fn remove(docker: &Docker, id: &str) -> Result<bool> {
    let options = RemoveContainerOptions {
        force: true,
        v: true,
        link: false,
    };
    let removed = docker.remove_container(id, Some(options)).await;
    unless_missing(removed).with_context(|| format!("failed to remove container `{id}`"))
}

/// Whether something was there; not when it is on its way out.
pub(super) fn unless_missing(result: Result<(), Error>) -> Result<bool, Error> {
    match result {
        Ok(()) => Ok(true),
        Err(Error::DockerResponseServerError {
            status_code: 404 | 409,
            ..
        }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// An error and its causes, each said once.
pub(super) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        source = error.source();
    }
    text
}
