//! No code: the manifest names features, so that no two of the usual commands build a dependency twice.
