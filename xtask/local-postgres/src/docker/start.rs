//! Starting a container.

use std::collections::HashMap;
use std::mem;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use testcontainers::bollard::Docker;
use testcontainers::bollard::models::{HostConfig, PortBinding};
use testcontainers::core::{IntoContainerPort, Mount};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, ContainerRequest, GenericImage, ImageExt};

use super::daemon::{LABEL, LEFTOVER_AGE, causes, containers, remove, volume, with_daemon};
use crate::order::{self, Handle, Lifetime, Order, Started};
use crate::settings::{Provider, Settings};
use crate::sql;
use crate::variable::SettingsError;

/// PostgreSQL's port, inside.
const PORT: u16 = 5432;
/// Parallel queries share memory there; Docker's default is 64 MB.
const SHARED_MEMORY: u64 = 256 << 20;
/// Longer than it takes to learn that there is no such image.
const PATIENCE: Duration = Duration::from_secs(3);
/// An image of 150 MB at 5 Mbit/s.
const PULL_TIMEOUT: Duration = Duration::from_secs(300);
/// The last line of a script that failed.
const FAILED: &str = "local-postgres: failed\n";

/// For `docker ps`: what the container was asked for as, and by whom.
const LABEL_NAME: &str = "local-postgres.name";
const LABEL_WORKSPACE: &str = "local-postgres.workspace";

/// Starts a container and waits for the first answer of its server.
pub(crate) fn start(settings: &Settings, order: &Order) -> Result<Started> {
    let image = settings
        .image
        .clone()
        .unwrap_or_else(|| format!("postgres:{}", settings.version.major));
    with_daemon(async |docker| {
        remove_leftovers(docker, order).await?;
        let container = run(docker, &image, order).await?;
        let mut log = Vec::new();
        let error = match ready(&container, settings, &image, order, &mut log).await {
            Ok(started) => {
                // It outlives this process: it stops and removes itself. Dropping the value would remove it now.
                mem::forget(container);
                return Ok(started);
            }
            Err(error) => error,
        };
        let error = if error.is::<SettingsError>() {
            error
        } else {
            let now = container.stdout_to_vec().await.unwrap_or_default();
            if !now.is_empty() {
                log = now;
            }
            log.extend(container.stderr_to_vec().await.unwrap_or_default());
            let log = order::log_tail(&String::from_utf8_lossy(&log));
            anyhow!("{error:#}; {log}")
                .context(format!("failed to start PostgreSQL of image `{image}`"))
        };
        let _ = container.rm().await;
        Err(error)
    })
}

/// Removes containers that were made and not started, or are ending.
///
/// Under the lock of its order, what has its key and is not running is left over from a start that was killed.
async fn remove_leftovers(docker: &Docker, order: &Order) -> Result<()> {
    for container in containers(docker, None).await? {
        if !container.running && (container.key == order.key || container.age > LEFTOVER_AGE) {
            // Another process may be faster.
            let _ = remove(docker, &container.id).await;
        }
    }
    Ok(())
}

/// Makes and starts the container; gets its image if it is not here.
async fn run(docker: &Docker, image: &str, order: &Order) -> Result<ContainerAsync<GenericImage>> {
    let start = async {
        let mut request = request(image, order);
        if docker.inspect_image(image).await.is_err() {
            request = pull(request, image).await?;
        }
        request.start().await.map_err(|error| {
            anyhow!(
                "failed to start a container of image `{image}`: {}",
                causes(&error)
            )
        })
    };
    match tokio::time::timeout(PULL_TIMEOUT, start).await {
        Ok(result) => result,
        Err(_) => bail!(
            "failed to start a container of image `{image}` within {} seconds",
            PULL_TIMEOUT.as_secs()
        ),
    }
}

/// Gets the image of a container, and says so if that takes long.
async fn pull(
    request: ContainerRequest<GenericImage>,
    image: &str,
) -> Result<ContainerRequest<GenericImage>> {
    let mut pull = request.pull_image();
    let pulled = match tokio::time::timeout(PATIENCE, &mut pull).await {
        Ok(pulled) => pulled,
        Err(_) => {
            order::note(&format!("getting image `{image}`"));
            pull.await
        }
    };
    pulled.map_err(|error| {
        SettingsError::with_remedy(
            format!("failed to get image `{image}`: {}", causes(&error)),
            "load one with `docker load`, build one with `docker/build-image`, \
             or set LOCAL_POSTGRES_IMAGE to one that is here",
        )
    })
}

/// The container to start.
fn request(image: &str, order: &Order) -> ContainerRequest<GenericImage> {
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
    let command = order.command("local-postgres", "*");
    let request = GenericImage::new(name, tag)
        .with_exposed_port(PORT.tcp())
        .with_entrypoint(&command[0])
        .with_cmd(&command[1..])
        .with_user("postgres")
        .with_env_var("LP_FOLDER", folder)
        .with_env_var("LP_LINGER", "3")
        .with_labels([
            (LABEL, order.key.clone()),
            (LABEL_NAME, order.name.clone()),
            (LABEL_WORKSPACE, order.workspace.display().to_string()),
        ])
        .with_mount(mount)
        .with_shm_size(SHARED_MEMORY)
        .with_startup_timeout(order::READY_TIMEOUT)
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
    let variables = order.variables(PORT).into_iter();
    variables.fold(request, |request, (name, value)| {
        request.with_env_var(name, value)
    })
}

/// Waits for the first answer of the server. `log` is what the container had printed by the last look at it.
///
/// # Errors
/// It has ended, is of another version than the one that was asked for, or does not answer in time.
async fn ready(
    container: &ContainerAsync<GenericImage>,
    settings: &Settings,
    image: &str,
    order: &Order,
    log: &mut Vec<u8>,
) -> Result<Started> {
    let port = container
        .get_host_port_ipv4(PORT)
        .await
        .context("failed to find the container's port")?;
    let url = order::url(&order.password, port);
    let start = Instant::now();
    let mut has_ended = false;
    loop {
        match sql::connect(&url) {
            Ok(mut connection) => {
                let release = sql::release(&mut connection)?;
                order::check_version(settings, &release, &format!("image `{image}`"))?;
                break;
            }
            Err(error) if order::is_final(&error, start) => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(15)).await,
        }
        // A server that failed says so, and stays a little for its log to be read.
        let now = container.stdout_to_vec().await.unwrap_or_default();
        if !now.is_empty() {
            *log = now;
        }
        // Twice, with another look at the log in between: a busy daemon may have no answer, or not the whole log yet.
        let had_ended = has_ended;
        has_ended = !container.is_running().await.unwrap_or(false);
        if log.ends_with(FAILED.as_bytes()) || (had_ended && has_ended) {
            bail!(order::ENDED_AT_ONCE);
        }
    }
    Ok(Started {
        provider: Provider::Docker,
        url,
        handle: Handle::Container(container.id().to_owned()),
    })
}
