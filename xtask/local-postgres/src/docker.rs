//! Servers in containers, through `testcontainers`.

use std::collections::HashMap;
use std::future::Future;
use std::mem;
use std::pin::pin;
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, bail};
use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error;
use testcontainers::bollard::models::{HostConfig, PortBinding};
use testcontainers::bollard::query_parameters::{
    KillContainerOptions, ListContainersOptions, RemoveContainerOptions, RemoveVolumeOptions,
};
use testcontainers::core::client::docker_client_instance;
use testcontainers::core::{IntoContainerPort, Mount};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, GenericImage, ImageExt};
use tokio::runtime::{Builder, Runtime};

use crate::provider::{self, Handle, Lifetime, Order, SCRIPT, Started};
use crate::settings::{Provider, Settings, SettingsError};
use crate::sql;

/// PostgreSQL's port, inside.
const PORT: u16 = 5432;
/// Parallel queries share memory there; Docker's default is 64 MB.
const SHARED_MEMORY: u64 = 256 << 20;
/// A daemon on this machine answers within milliseconds.
const DAEMON_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer than a container of an image that is here takes.
const PATIENCE: Duration = Duration::from_secs(3);
/// An image of 150 MB at 5 Mbit/s.
const PULL_TIMEOUT: Duration = Duration::from_secs(300);
/// As long as PostgreSQL may need to write everything to disk.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);

/// Longer than Docker takes to start a container that it has made.
const LEFTOVER_AGE: Duration = Duration::from_secs(120);
/// The last line of a script that failed.
const FAILED: &str = "local-postgres: failed\n";

/// On every container: the key of its order.
const LABEL: &str = "local-postgres.key";
const LABEL_NAME: &str = "local-postgres.name";
const LABEL_WORKSPACE: &str = "local-postgres.workspace";

/// One for all: the client keeps connections that belong to it.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime needs no more than a pipe")
});

/// Starts a container and waits for the first answer of its server.
pub(crate) fn start(settings: &Settings, order: &Order) -> Result<Started> {
    let image = image(settings);
    block_on(async {
        let docker = daemon().await?;
        // Under the lock of its order, what has this key and is not running is left over from a killed start.
        remove(&docker, &order.key).await?;
        let container = run(&docker, &image, order).await?;
        match ready(&container, order).await {
            Ok(started) => {
                // It outlives this process: it stops and removes itself. Dropping the value would remove it now.
                mem::forget(container);
                Ok(started)
            }
            Err(error) => {
                let mut log = container.stdout_to_vec().await.unwrap_or_default();
                log.extend(container.stderr_to_vec().await.unwrap_or_default());
                let log = provider::log_tail(&String::from_utf8_lossy(&log));
                let _ = container.rm().await;
                Err(anyhow!("{error:#}; {log}")
                    .context(format!("failed to start PostgreSQL of image `{image}`")))
            }
        }
    })
}

/// The image to run: what `LOCAL_POSTGRES_IMAGE` says, or the official one.
pub(crate) fn image(settings: &Settings) -> String {
    settings
        .image
        .clone()
        .unwrap_or_else(|| format!("postgres:{}", settings.version.major))
}

/// The volume of a durable server.
pub(crate) fn volume(key: &str) -> String {
    format!("local-postgres-{key}")
}

/// Stops a durable server: sessions are ended, everything is written. Tells whether there was one.
pub(crate) fn stop(key: &str) -> Result<bool> {
    block_on(async {
        let docker = daemon().await?;
        let running = containers(&docker, Some(key))
            .await?
            .into_iter()
            .filter(|it| it.running)
            .collect::<Vec<_>>();
        for container in &running {
            let options = KillContainerOptions {
                signal: "SIGINT".to_owned(),
            };
            ignore_missing(docker.kill_container(&container.id, Some(options)).await)
                .with_context(|| format!("failed to stop container `{}`", container.id))?;
        }
        let start = Instant::now();
        while containers(&docker, Some(key))
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
        remove(&docker, key).await?;
        Ok(!running.is_empty())
    })
}

/// Removes the volume of a durable server that was stopped.
pub(crate) fn remove_volume(key: &str) -> Result<()> {
    block_on(async {
        let docker = daemon().await?;
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
    block_on(async {
        let docker = daemon().await?;
        let options = RemoveContainerOptions {
            force: true,
            v: true,
            link: false,
        };
        match docker.remove_container(id, Some(options)).await {
            Ok(()) => Ok(true),
            Err(Error::DockerResponseServerError {
                status_code: 404 | 409,
                ..
            }) => Ok(false),
            Err(error) => Err(error).with_context(|| format!("failed to remove container `{id}`")),
        }
    })
}

/// Removes containers that were made and not started, by starts that were killed. Returns how many.
pub(crate) fn remove_leftovers() -> Result<usize> {
    block_on(async {
        let docker = daemon().await?;
        let mut removed = 0;
        for container in containers(&docker, None)
            .await?
            .into_iter()
            .filter(|it| !it.running)
        {
            // A start takes a moment from one to the other.
            if container.age > LEFTOVER_AGE {
                let options = RemoveContainerOptions {
                    force: true,
                    v: true,
                    link: false,
                };
                removed += usize::from(
                    docker
                        .remove_container(&container.id, Some(options))
                        .await
                        .is_ok(),
                );
            }
        }
        Ok(removed)
    })
}

async fn run(docker: &Docker, image: &str, order: &Order) -> Result<ContainerAsync<GenericImage>> {
    let (name, tag) = match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (image, "latest"),
    };
    let (folder, mount, port) = match order.lifetime {
        Lifetime::Idle(_) => (
            "/local-postgres/server",
            Mount::tmpfs_mount("/local-postgres").with_mode(0o1777),
            0,
        ),
        // A folder that images have and that belongs to `postgres` in them: a new volume takes over its owner.
        Lifetime::Durable { port } => (
            "/var/lib/postgresql/local-postgres",
            Mount::volume_mount(volume(&order.key), "/var/lib/postgresql"),
            port,
        ),
    };
    let arguments = order
        .settings
        .iter()
        .flat_map(|(name, value)| ["-c".to_owned(), format!("{name}={value}")]);
    let command = [
        "-c",
        SCRIPT,
        "local-postgres",
        "-c",
        "listen_addresses=*",
        "-c",
        "unix_socket_directories=",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain(arguments);
    let request = GenericImage::new(name, tag)
        .with_exposed_port(PORT.tcp())
        .with_entrypoint("sh")
        .with_cmd(command)
        .with_user("postgres")
        .with_env_var("LP_FOLDER", folder)
        .with_env_var("LP_PORT", PORT.to_string())
        .with_env_var("LP_VERIFIER", order.verifier())
        .with_env_var("LP_IDLE", order.lifetime.idle_seconds().to_string())
        .with_env_var("LP_LINGER", "3")
        .with_labels([
            (LABEL, order.key.clone()),
            (LABEL_NAME, order.name.clone()),
            (LABEL_WORKSPACE, order.workspace.display().to_string()),
        ])
        .with_mount(mount)
        .with_shm_size(SHARED_MEMORY)
        .with_startup_timeout(provider::READY_TIMEOUT)
        .with_host_config_modifier(move |host: &mut HostConfig| {
            host.auto_remove = Some(true);
            host.publish_all_ports = Some(false);
            let binding = PortBinding {
                host_ip: Some("127.0.0.1".to_owned()),
                host_port: Some(port.to_string()),
            };
            host.port_bindings = Some(HashMap::from([(
                PORT.tcp().to_string(),
                Some(vec![binding]),
            )]));
        });
    let mut start = pin!(request.start());
    let mut started = tokio::time::timeout(PATIENCE, &mut start).await;
    if started.is_err() {
        provider::note(&format!("getting image `{image}`"));
        started = tokio::time::timeout(PULL_TIMEOUT, start).await;
    }
    match started {
        Ok(Ok(container)) => Ok(container),
        Ok(Err(error)) if docker.inspect_image(image).await.is_err() => {
            Err(SettingsError::with_remedy(
                format!("failed to get image `{image}`: {}", causes(&error)),
                "load one with `docker load`, build one with `docker/build-image`, \
             or set LOCAL_POSTGRES_IMAGE to one that is here",
            ))
        }
        Ok(Err(error)) => Err(anyhow!(
            "failed to start a container of image `{image}`: {}",
            causes(&error)
        )),
        Err(_) => bail!(
            "failed to start a container of image `{image}` within {} seconds",
            PULL_TIMEOUT.as_secs()
        ),
    }
}

async fn ready(container: &ContainerAsync<GenericImage>, order: &Order) -> Result<Started> {
    let port = container
        .get_host_port_ipv4(PORT)
        .await
        .context("failed to find the container's port")?;
    let url = provider::url(&order.password, port);
    let start = Instant::now();
    loop {
        match sql::connect(&url) {
            Ok(_) => break,
            Err(error) if provider::is_final(&error, start) => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(15)).await,
        }
        // A server that failed says so, and stays a little for its log to be read.
        let log = container.stdout_to_vec().await.unwrap_or_default();
        if log.ends_with(FAILED.as_bytes()) || !container.is_running().await.unwrap_or(false) {
            bail!("it ended at once");
        }
    }
    Ok(Started {
        provider: Provider::Docker,
        url,
        handle: Handle::Container(container.id().to_owned()),
    })
}

/// A container of ours.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) id: String,
    pub(crate) running: bool,
    pub(crate) age: Duration,
}

async fn containers(docker: &Docker, key: Option<&str>) -> Result<Vec<Found>> {
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
            age: Duration::from_secs(
                (now - container.created.unwrap_or(now))
                    .max(0)
                    .unsigned_abs(),
            ),
            running: container
                .state
                .is_some_and(|state| state.to_string() == "running"),
        })
        .collect())
}

/// Removes containers of a key that are not running.
async fn remove(docker: &Docker, key: &str) -> Result<()> {
    for container in containers(docker, Some(key)).await? {
        if !container.running {
            let options = RemoveContainerOptions {
                force: true,
                v: true,
                link: false,
            };
            let _ = docker.remove_container(&container.id, Some(options)).await;
        }
    }
    Ok(())
}

/// The daemon, if it answers.
async fn daemon() -> Result<Docker> {
    let unavailable = |cause: String| {
        SettingsError::with_remedy(
            format!("failed to reach the Docker daemon: {cause}"),
            "start Docker, or unset LOCAL_POSTGRES_PROVIDER to use installed PostgreSQL",
        )
    };
    let docker = docker_client_instance()
        .await
        .map_err(|error| unavailable(causes(&error)))?;
    match tokio::time::timeout(DAEMON_TIMEOUT, docker.ping()).await {
        Ok(Ok(_)) => Ok(docker),
        Ok(Err(error)) => Err(unavailable(causes(&error))),
        Err(_) => Err(unavailable(format!(
            "no answer within {} seconds",
            DAEMON_TIMEOUT.as_secs()
        ))),
    }
}

fn ignore_missing(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        // Not there, or not running any more.
        Err(Error::DockerResponseServerError {
            status_code: 404 | 409,
            ..
        }) => Ok(()),
        result => result,
    }
}

/// An error and its causes, each said once.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
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

/// Runs to the end in a thread of its own, so that the caller may be in a runtime itself.
fn block_on<T: Send>(future: impl Future<Output = Result<T>> + Send) -> Result<T> {
    thread::scope(|scope| {
        scope
            .spawn(|| RUNTIME.block_on(future))
            .join()
            .unwrap_or_else(|_| bail!("failed to talk to Docker"))
    })
}
