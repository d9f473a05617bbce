//! Whose servers there are, where their files lie and what runs them.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::programs;

/// Whose server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Make {
    /// A refresh token works once; one that comes again ends the login.
    OidcProvider,
    /// The refresh token before the newest works for 30 s more; an older one ends the login.
    DjangoOauthToolkit,
    /// Refresh tokens work once, redirect addresses match to the port.
    Canaille,
    /// Knows every client and every person; a refresh token works for ever.
    OidcProviderMock,
}

/// What it is written in, and so what runs it.
enum Language {
    JavaScript,
    Python,
}

impl Make {
    /// Its name, as its package is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::OidcProvider => "oidc-provider",
            Self::DjangoOauthToolkit => "django-oauth-toolkit",
            Self::Canaille => "canaille",
            Self::OidcProviderMock => "oidc-provider-mock",
        }
    }

    /// The version that is pinned beside it.
    ///
    /// # Panics
    /// If none is.
    pub fn version(self) -> String {
        let (file, around) = match self.language() {
            Language::JavaScript => ("package.json", ("\"oidc-provider\": \"", "\"")),
            Language::Python => ("requirements.txt", ("==", "\n")),
        };
        let pinned = std::fs::read_to_string(self.directory().join(file)).expect("the file is there");
        let version = pinned.split_once(around.0).and_then(|(_, rest)| rest.split_once(around.1));
        version.expect("it pins its package first").0.to_owned()
    }

    /// What is missing for it; tests that need it say so and are skipped.
    pub fn missing(self) -> Option<String> {
        let wanted: &[_] = match self.language() {
            Language::JavaScript => &[("node", "package nodejs"), ("chromium", "package chromium")],
            Language::Python => &[],
        };
        if let Some((program, package)) = wanted.iter().find(|(program, _)| !programs::has(program)) {
            return Some(format!("{program} is not installed ({package})"));
        }
        let is_installed = match self.language() {
            Language::JavaScript => self.directory().join("node_modules").join(self.name()).exists(),
            Language::Python => self.interpreter().exists(),
        };
        (!is_installed).then(|| format!("what tests/servers/{} needs is not installed (scripts/test)", self.name()))
    }

    pub(super) fn userinfo(self) -> &'static str {
        match self {
            Self::OidcProvider => "/me",
            Self::DjangoOauthToolkit => "/userinfo/",
            Self::Canaille => "/oauth/userinfo",
            Self::OidcProviderMock => "/userinfo",
        }
    }

    pub(super) fn server(self) -> Command {
        match self.language() {
            Language::JavaScript => self.run(&self.directory().join("server.mjs")),
            Language::Python => self.run(&self.directory().join("server.py")),
        }
    }

    pub(super) fn person(self) -> Command {
        match self.language() {
            Language::JavaScript => self.run(&self.directory().join("signin.mjs")),
            Language::Python => self.run(&common().join("signin.py")),
        }
    }

    fn run(self, script: &Path) -> Command {
        let mut command = Command::new(self.interpreter());
        command.arg(script).env("PYTHONPATH", common()).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.kill_on_drop(true);
        command
    }

    fn interpreter(self) -> PathBuf {
        match self.language() {
            Language::JavaScript => "node".into(),
            // Beside what cargo builds, where scripts/test makes it.
            Language::Python => programs::directory().join("../servers").join(self.name()).join("bin/python"),
        }
    }

    fn language(self) -> Language {
        match self {
            Self::OidcProvider => Language::JavaScript,
            Self::DjangoOauthToolkit | Self::Canaille | Self::OidcProviderMock => Language::Python,
        }
    }

    fn directory(self) -> PathBuf {
        servers().join(self.name())
    }
}

fn servers() -> PathBuf {
    programs::repository().join("tests/servers")
}

fn common() -> PathBuf {
    servers().join("common")
}
