// SPDX-License-Identifier: MIT OR Apache-2.0
//
//! Makes the bindings, from the very headers, configuration and flags the C code of
//! the firmware is compiled with, and turns what is compiled in into cfgs.
//!
//! Two ways in:
//!
//! - **Firmware.** The port's build system passes `MPSSL_CFLAGS` (all flags of its C
//!   compiler, quoted for a shell), `MPSSL_CFLAGS_DIR` (what relative paths in them are
//!   relative to) and `MPSSL_CC` (the compiler). Mbed TLS is the firmware's.
//! - **Host**, for `cargo test`. The flags are those of the unix port's standard
//!   variant; `MICROPYTHON_DIR` and `MBEDTLS_DIR` name the sources, or else what
//!   `make sources` brought is used. Where there is neither, Mbed TLS is the one in the
//!   crate `mbedtls-rs-sys`, which cargo brings, at its own configuration and ours. It is
//!   compiled here and takes its memory from `mpglue_calloc` and `mpglue_free`, which the
//!   test defines. `MPSSL_HOST_CFLAGS` adds flags, `-fsanitize=address` for instance.
//!
//! Out come, in `OUT_DIR`: `mbedtls_sys.rs`, `micropython_sys.rs` and `mpssl_abi.h`
//! (copied to `MPSSL_ABI_OUT`), with which `c_glue/abi_check.c` asserts that the C
//! compiler lays the structures out alike.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

type Result<T> = std::result::Result<T, String>;

/// Options the Rust code asks about, as `cfg(lower_case_name)`.
const OPTIONS: &[&str] = &[
    "MBEDTLS_BLOCK_CIPHER_C",
    "MBEDTLS_CCM_C",
    "MBEDTLS_CHACHAPOLY_C",
    "MBEDTLS_DEBUG_C",
    "MBEDTLS_DES_C",
    "MBEDTLS_DHM_C",
    "MBEDTLS_ECDH_C",
    "MBEDTLS_ECDSA_C",
    "MBEDTLS_ECP_RESTARTABLE",
    "MBEDTLS_ERROR_C",
    "MBEDTLS_GCM_C",
    "MBEDTLS_HAVE_TIME",
    "MBEDTLS_HAVE_TIME_DATE",
    "MBEDTLS_KEY_EXCHANGE_DHE_RSA_ENABLED",
    "MBEDTLS_KEY_EXCHANGE_ECDHE_ECDSA_ENABLED",
    "MBEDTLS_KEY_EXCHANGE_ECDHE_RSA_ENABLED",
    "MBEDTLS_KEY_EXCHANGE_RSA_ENABLED",
    // Derived, as those below.
    "MBEDTLS_MD_CAN_SHA1",
    "MBEDTLS_MD_CAN_SHA256",
    "MBEDTLS_MD_CAN_SHA384",
    "MBEDTLS_PEM_PARSE_C",
    "MBEDTLS_PKCS5_C",
    "MBEDTLS_PSA_ASSUME_EXCLUSIVE_BUFFERS",
    "MBEDTLS_PSA_CRYPTO_EXTERNAL_RNG",
    "MBEDTLS_SSL_ALL_ALERT_MESSAGES",
    "MBEDTLS_SSL_ALPN",
    "MBEDTLS_SSL_ASYNC_PRIVATE",
    "MBEDTLS_SSL_CACHE_C",
    "MBEDTLS_SSL_CIPHERSUITES",
    "MBEDTLS_SSL_CLI_C",
    "MBEDTLS_SSL_CONTEXT_SERIALIZATION",
    "MBEDTLS_SSL_COOKIE_C",
    "MBEDTLS_SSL_DTLS_ANTI_REPLAY",
    "MBEDTLS_SSL_DTLS_CLIENT_PORT_REUSE",
    "MBEDTLS_SSL_DTLS_CONNECTION_ID",
    "MBEDTLS_SSL_DTLS_HELLO_VERIFY",
    "MBEDTLS_SSL_ENCRYPT_THEN_MAC",
    "MBEDTLS_SSL_EXTENDED_MASTER_SECRET",
    // None is in any configuration file: Mbed TLS's headers derive them.
    "MBEDTLS_SSL_HANDSHAKE_WITH_CERT_ENABLED",
    "MBEDTLS_SSL_HANDSHAKE_WITH_PSK_ENABLED",
    "MBEDTLS_SSL_HAVE_AES",
    "MBEDTLS_SSL_HAVE_CBC",
    "MBEDTLS_SSL_HAVE_CCM",
    "MBEDTLS_SSL_HAVE_CHACHAPOLY",
    "MBEDTLS_SSL_HAVE_GCM",
    "MBEDTLS_SSL_KEEP_PEER_CERTIFICATE",
    "MBEDTLS_SSL_MAX_FRAGMENT_LENGTH",
    "MBEDTLS_SSL_PROTO_DTLS",
    "MBEDTLS_SSL_PROTO_TLS1_2",
    "MBEDTLS_SSL_PROTO_TLS1_3",
    "MBEDTLS_SSL_RENEGOTIATION",
    "MBEDTLS_SSL_SERVER_NAME_INDICATION",
    "MBEDTLS_SSL_SESSION_TICKETS",
    "MBEDTLS_SSL_SRV_C",
    "MBEDTLS_SSL_TICKET_C",
    "MBEDTLS_SSL_VARIABLE_BUFFER_LENGTH",
    "MBEDTLS_THREADING_C",
    "MBEDTLS_USE_PSA_CRYPTO",
    "MBEDTLS_X509_CRL_PARSE_C",
    "MBEDTLS_X509_CRT_PARSE_C",
    "MBEDTLS_X509_TRUSTED_CERTIFICATE_CALLBACK",
];

/// The patch release that is built and tested: 3.6.7.
const NEWEST: u32 = 7;
/// The first with which TLS 1.3 is built: PSA's keys can be in static slots.
const TLS13_SINCE: u32 = 3;
/// What each patch release of Mbed TLS 3.6 has fixed, by its ChangeLog.
const CVES: &[(u32, &str)] = &[
    (1, "CVE-2024-45157 to CVE-2024-45159"),
    (2, "CVE-2024-49195"),
    (3, "CVE-2025-27809, CVE-2025-27810"),
    (
        4,
        "CVE-2025-47917, CVE-2025-48965, CVE-2025-49087, CVE-2025-49600, CVE-2025-49601, CVE-2025-52496, \
         CVE-2025-52497",
    ),
    (5, "CVE-2025-54764, CVE-2025-59438"),
    (6, "CVE-2026-25833 to CVE-2026-25835, CVE-2026-34872 to CVE-2026-34876"),
    (
        7,
        "CVE-2026-25832, CVE-2026-35336, CVE-2026-49300, CVE-2026-50579 to CVE-2026-50581, CVE-2026-50583 to \
         CVE-2026-50588, CVE-2026-50640, CVE-2026-50713, CVE-2026-54435, CVE-2026-54441",
    ),
];

/// What P-256 in Rust is put under.
const P256_OPTIONS: &[&str] = &["MBEDTLS_ECP_C", "MBEDTLS_ECP_DP_SECP256R1_ENABLED"];
/// The functions of Mbed TLS's that are wrapped then.
const P256_WRAPPED: &[&str] = &["mbedtls_ecp_mul_restartable", "mbedtls_ecp_muladd_restartable"];

/// What TLS 1.3 needs.
const TLS13_OPTIONS: &[&str] = &["MBEDTLS_SSL_PROTO_TLS1_3", "MBEDTLS_SSL_PROTO_TLS1_2"];
/// The functions of Mbed TLS's that are wrapped then, and where P-256 is Rust's the one of PSA's.
const TLS13_WRAPPED: &[&str] = &[
    "mbedtls_ssl_session_reset_msg_layer",
    "mbedtls_ssl_send_alert_message",
    "mbedtls_ssl_pend_fatal_alert",
    "mbedtls_cipher_setup",
    "mbedtls_cipher_free",
    "mbedtls_x509_crt_parse_der",
    "mbedtls_pk_sign_ext",
];
const TLS13_P256_WRAPPED: &[&str] = &["mbedtls_ecp_mul"];

/// What resumption needs: a clock, for what is kept gets old; the peer's certificate, which does so too; and
/// secrets that are of one handshake (RFC 7627).
const RESUMPTION_OPTIONS: &[&str] = &[
    "MBEDTLS_HAVE_TIME",
    "MBEDTLS_SSL_EXTENDED_MASTER_SECRET",
    "MBEDTLS_SSL_KEEP_PEER_CERTIFICATE",
    "MBEDTLS_SSL_PROTO_TLS1_2",
    "MBEDTLS_SSL_SESSION_TICKETS",
];
/// And more: a client's sessions, a server's tickets.
const SESSIONS_OPTIONS: &[&str] = &["MBEDTLS_SSL_CLI_C"];
const TICKETS_OPTIONS: &[&str] = &["MBEDTLS_SSL_SRV_C", "MBEDTLS_SSL_TICKET_C"];

/// What a client needs that reads bundles of certificates when it verifies: Mbed TLS's callback, and a
/// digest to know the bundle again.
const BUNDLES_OPTIONS: &[&str] =
    &["MBEDTLS_SSL_CLI_C", "MBEDTLS_X509_TRUSTED_CERTIFICATE_CALLBACK", "MBEDTLS_MD_CAN_SHA256"];

/// What hibernation needs, where keys are not PSA's.
const HIBERNATION_OPTIONS: &[&str] = &["MBEDTLS_SSL_PROTO_TLS1_2", "MBEDTLS_CIPHER_C"];
/// Ciphers of which Rust does not know where they have their key: a chip's, say.
const OTHER_CIPHERS: &[&str] = &[
    "MBEDTLS_AES_ALT",
    "MBEDTLS_AES_SETKEY_ENC_ALT",
    "MBEDTLS_GCM_ALT",
    "MBEDTLS_CCM_ALT",
    "MBEDTLS_CHACHA20_ALT",
    "MBEDTLS_CHACHAPOLY_ALT",
];

/// What AES-GCM in Rust is put under.
const AES_GCM_OPTIONS: &[&str] = &["MBEDTLS_GCM_C", "MBEDTLS_AES_C", "MBEDTLS_BLOCK_CIPHER_C"];
/// Hardware that has taken AES over.
const AES_GCM_NOT_OVER: &[&str] = &["MBEDTLS_AES_ALT", "MBEDTLS_GCM_ALT", "MBEDTLS_USE_PSA_CRYPTO"];
/// The functions of Mbed TLS's that are wrapped then.
const AES_GCM_WRAPPED: &[&str] = &["mbedtls_gcm_crypt_and_tag", "mbedtls_gcm_auth_decrypt"];

/// Structures Rust owns or looks into.
const ABI_TYPES: &[&str] = &[
    "mbedtls_ssl_context",
    "mbedtls_ssl_config",
    "mbedtls_ssl_session",
    "mbedtls_ssl_transform",
    "mbedtls_x509_crt",
    "mbedtls_pk_context",
    "mbedtls_ctr_drbg_context",
    "mbedtls_entropy_context",
];
/// Those that P-256 in Rust looks into.
const P256_ABI_TYPES: &[&str] = &["mbedtls_mpi", "mbedtls_ecp_point", "mbedtls_ecp_group"];
/// Those that AES-GCM in Rust looks into.
const AES_GCM_ABI_TYPES: &[&str] = &["mbedtls_aes_context", "mbedtls_gcm_context"];
/// Those that a server's tickets are made with.
const TICKETS_ABI_TYPES: &[&str] = &["mbedtls_ssl_ticket_context", "mbedtls_ssl_ticket_key"];
/// Those that hibernation looks into, where they are compiled in: a cipher, and as long as
/// there are no other ciphers, keys.
const HIBERNATION_ABI_TYPES: &[&str] = &[
    "mbedtls_cipher_context_t",
    "mbedtls_aes_context",
    "mbedtls_gcm_context",
    "mbedtls_ccm_context",
    "mbedtls_chacha20_context",
    "mbedtls_chachapoly_context",
];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let root = PathBuf::from(required("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(required("OUT_DIR")?);
    rerun_if_changed(&root.join("build.rs"));

    for name in ["MPSSL_CFLAGS", "MPSSL_CFLAGS_DIR", "MPSSL_CC", "MPSSL_ABI_OUT", "LIBCLANG_PATH"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    let input = match env::var("MPSSL_CFLAGS") {
        Ok(cflags) => Input::firmware(&cflags)?,
        Err(_) => Input::host(&root, &out)?,
    };

    let header = root.join("src/mbedtls/mbedtls.h");
    let macros = input.macros(&header)?;
    let patch = check_version(&macros)?;
    if !macros.contains_key("MBEDTLS_SSL_HANDSHAKE_WITH_CERT_ENABLED") {
        return Err("this Mbed TLS is configured without certificates, as MicroPython's own module is \
                    not: it needs MBEDTLS_X509_CRT_PARSE_C and a key exchange that uses them"
            .into());
    }
    for option in OPTIONS {
        let cfg = option.to_lowercase();
        println!("cargo::rustc-check-cfg=cfg({cfg})");
        if macros.contains_key(*option) {
            println!("cargo::rustc-cfg={cfg}");
        }
    }

    // Apple's linker has no --wrap.
    let wraps = env::var("CARGO_CFG_TARGET_VENDOR").is_ok_and(|vendor| vendor != "apple");
    let has_all = |options: &[&str]| options.iter().all(|option| macros.contains_key(*option));
    let has_any = |options: &[&str]| options.iter().any(|option| macros.contains_key(*option));
    let mut abi_types = ABI_TYPES.to_vec();
    println!("cargo::rustc-check-cfg=cfg(p256, aes_gcm)");
    let p256 = wraps && env::var_os("CARGO_FEATURE_P256").is_some() && has_all(P256_OPTIONS);
    if p256 {
        println!("cargo::rustc-cfg=p256");
        abi_types.extend(P256_ABI_TYPES);
        input.wrap(P256_WRAPPED, "MPSSL_P256")?;
    }
    if wraps
        && env::var_os("CARGO_FEATURE_AES_GCM").is_some()
        && env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "x86_64")
        && has_all(AES_GCM_OPTIONS)
        && !has_any(AES_GCM_NOT_OVER)
    {
        println!("cargo::rustc-cfg=aes_gcm");
        abi_types.extend(AES_GCM_ABI_TYPES);
        input.wrap(AES_GCM_WRAPPED, "MPSSL_AES_GCM")?;
    }

    println!("cargo::rustc-check-cfg=cfg(tls13)");
    if env::var_os("CARGO_FEATURE_TLS13").is_some() {
        check_tls13(&macros, patch, wraps)?;
        println!("cargo::rustc-cfg=tls13");
        input.wrap(TLS13_WRAPPED, "MPSSL_TLS13")?;
        if p256 {
            input.wrap(TLS13_P256_WRAPPED, "MPSSL_P256")?;
        }
    }

    // A build for tests, with what only such a build may have.
    println!("cargo::rustc-check-cfg=cfg(address_sanitizer)");
    if has_address_sanitizer() {
        println!("cargo::rustc-cfg=address_sanitizer");
    }

    // See src/mbedtls/connection/setup.rs.
    println!("cargo::rustc-check-cfg=cfg(plain_setup)");
    let not_plain = [
        "MBEDTLS_ECP_RESTARTABLE",
        "MBEDTLS_KEY_EXCHANGE_ECJPAKE_ENABLED",
        "MBEDTLS_SSL_EARLY_DATA",
        "MBEDTLS_SSL_VARIABLE_BUFFER_LENGTH",
        "MBEDTLS_USE_PSA_CRYPTO",
    ];
    if has_all(&["MBEDTLS_SSL_PROTO_TLS1_2"]) && !has_any(&not_plain) {
        println!("cargo::rustc-cfg=plain_setup");
    }

    println!("cargo::rustc-check-cfg=cfg(hibernation)");
    let hibernation = env::var_os("CARGO_FEATURE_HIBERNATION").is_some()
        && has_all(HIBERNATION_OPTIONS)
        && !has_any(&["MBEDTLS_USE_PSA_CRYPTO"]);
    println!("cargo::rustc-check-cfg=cfg(exported_keys)");
    let exported_keys =
        hibernation && (env::var_os("CARGO_FEATURE_EXPORTED_KEYS").is_some() || has_any(OTHER_CIPHERS));
    println!("cargo::rustc-check-cfg=cfg(server_names)");
    let server_names = has_all(&["MBEDTLS_SSL_SRV_C", "MBEDTLS_SSL_SERVER_NAME_INDICATION"]);
    for (cfg, is) in
        [("hibernation", hibernation), ("exported_keys", exported_keys), ("server_names", server_names)]
    {
        if is {
            println!("cargo::rustc-cfg={cfg}");
        }
    }

    if has_all(&["MBEDTLS_X509_CRL_PARSE_C"]) {
        abi_types.push("mbedtls_x509_crl");
    }

    println!("cargo::rustc-check-cfg=cfg(bundles)");
    if has_all(BUNDLES_OPTIONS) {
        println!("cargo::rustc-cfg=bundles");
    }

    println!("cargo::rustc-check-cfg=cfg(resumption, sessions, tickets)");
    let resumption = has_all(RESUMPTION_OPTIONS);
    for (cfg, options) in [("sessions", SESSIONS_OPTIONS), ("tickets", TICKETS_OPTIONS)] {
        if resumption && has_all(options) {
            println!("cargo::rustc-cfg={cfg}");
            println!("cargo::rustc-cfg=resumption");
            abi_types.extend(if cfg == "tickets" { TICKETS_ABI_TYPES } else { &[] });
        }
    }

    // See src/mbedtls/connection/one_cipher.rs.
    println!("cargo::rustc-check-cfg=cfg(one_cipher)");
    if resumption && has_all(SESSIONS_OPTIONS) && hibernation && !exported_keys {
        println!("cargo::rustc-cfg=one_cipher");
    }

    write_if_changed(&out.join("fingerprint.rs"), &fingerprint(&macros, exported_keys))?;
    // See src/mbedtls/connection/hello.rs.
    println!("cargo::rustc-check-cfg=cfg(own_hello)");
    let sessions = resumption && has_all(SESSIONS_OPTIONS);
    if has_all(&["MBEDTLS_HAVE_TIME"]) || (sessions && env::var_os("CARGO_FEATURE_TLS13").is_some()) {
        println!("cargo::rustc-cfg=own_hello");
    }

    let clang_args = input.clang_args(&macros)?;
    let mbedtls_sys = bindgen()?
        .header(utf8(&header)?)
        .clang_args(&clang_args)
        .clang_arg("-DMBEDTLS_ALLOW_PRIVATE_ACCESS")
        .allowlist_item("(mbedtls|MBEDTLS)_.*")
        .generate()
        .map_err(|error| format!("bindgen cannot read Mbed TLS's headers: {error}"))?
        .to_string();
    write_if_changed(&out.join("mbedtls_sys.rs"), &mbedtls_sys)?;

    // The seam of src/mbedtls/connection/layout.rs.
    println!("cargo::rustc-check-cfg=cfg(mbedtls_curves_tls_id)");
    if mbedtls_sys.contains("pub curves_tls_id:") {
        println!("cargo::rustc-cfg=mbedtls_curves_tls_id");
    }
    println!("cargo::rustc-check-cfg=cfg(mbedtls_ecdh_ctx)");
    if mbedtls_sys.contains("pub ecdh_ctx:") {
        println!("cargo::rustc-cfg=mbedtls_ecdh_ctx");
    }
    println!("cargo::rustc-check-cfg=cfg(mbedtls_in_hsfraglen)");
    if mbedtls_sys.contains("badmac_seen_or_in_hsfraglen") {
        println!("cargo::rustc-cfg=mbedtls_in_hsfraglen");
    }

    if hibernation {
        let looked_into = if exported_keys { 1 } else { HIBERNATION_ABI_TYPES.len() };
        let compiled_in = |name: &&str| mbedtls_sys.contains(&format!("\"Size of {name}\""));
        abi_types.extend(HIBERNATION_ABI_TYPES.iter().copied().take(looked_into).filter(compiled_in));
    }
    abi_types.sort_unstable();
    abi_types.dedup();
    let abi = abi_header(&mbedtls_sys, &abi_types)?;
    write_if_changed(&out.join("mpssl_abi.h"), &abi)?;
    if let Ok(path) = env::var("MPSSL_ABI_OUT") {
        write_if_changed(Path::new(&path), &abi)?;
    }

    let contract = root.join("c_glue/mpssl.h");
    let micropython_sys = bindgen()?
        .header(utf8(&contract)?)
        .clang_args(&clang_args)
        // The contract's enums are numbers only, never a field or an argument: where enums
        // are short their constants would be of another type on every port.
        .clang_arg("-fno-short-enums")
        .allowlist_item("(mpssl|mpglue|MPSSL|MPGLUE)_.*")
        .generate()
        .map_err(|error| format!("bindgen cannot read {}: {error}", contract.display()))?
        .to_string();
    write_if_changed(&out.join("micropython_sys.rs"), &micropython_sys)?;

    input.compile_mbedtls(&out)
}

/// The settings both bindings share.
fn bindgen() -> Result<bindgen::Builder> {
    let msrv = bindgen::RustTarget::stable(85, 0).map_err(|error| error.to_string())?;
    Ok(bindgen::Builder::default()
        .rust_target(msrv)
        .rust_edition(bindgen::RustEdition::Edition2024)
        .use_core()
        .ctypes_prefix("::core::ffi")
        .default_enum_style(bindgen::EnumVariation::Consts)
        .prepend_enum_name(false)
        .derive_debug(false)
        .generate_comments(false)
        .merge_extern_blocks(true)
        .layout_tests(true)
        .formatter(bindgen::Formatter::Prettyplease)
        .parse_callbacks(Box::new(bindgen::CargoCallbacks::new())))
}

// ---- Where the flags come from ----------------------------------------------

/// How the C code is compiled.
enum Input {
    Firmware {
        /// The compiler, with a wrapper or options in front or behind (`ccache gcc -m32`).
        compiler: Option<Vec<String>>,
        /// All flags, as the port passes them, to run in `dir`.
        cflags: Vec<String>,
        dir: PathBuf,
    },
    Host {
        flags: Vec<String>,
        /// With its configuration and its texts of errors; there need not be one.
        micropython: Option<PathBuf>,
        mbedtls: PathBuf,
    },
}

impl Input {
    fn firmware(cflags: &str) -> Result<Self> {
        let dir = PathBuf::from(required("MPSSL_CFLAGS_DIR")?);
        let compiler = match env::var("MPSSL_CC") {
            Ok(words) => Some(shell_split("MPSSL_CC", &words)?),
            Err(_) => None,
        };
        let cflags = shell_split("MPSSL_CFLAGS", cflags)?;
        Ok(Input::Firmware { compiler, cflags, dir })
    }

    fn host(root: &Path, out: &Path) -> Result<Self> {
        println!("cargo::rerun-if-env-changed=MPSSL_HOST_CFLAGS");
        println!("cargo::rustc-check-cfg=cfg(micropython_tree)");
        let micropython = source_tree(
            root,
            "MICROPYTHON_DIR",
            "build/src/micropython",
            "extmod/mbedtls/mbedtls_config_common.h",
        )?;
        let mbedtls = source_tree(root, "MBEDTLS_DIR", "build/src/mbedtls", "include/mbedtls/ssl.h")?;
        let mbedtls = match mbedtls {
            Some(dir) => dir,
            None => mbedtls_of_cargo(out)?,
        };
        println!("cargo::rustc-env=MPSSL_MBEDTLS_DIR={}", utf8(&mbedtls)?);

        let allocator = out.join("mpssl_host_alloc.h");
        write_if_changed(
            &allocator,
            "#include <stddef.h>\nvoid *mpglue_calloc(size_t, size_t);\nvoid mpglue_free(void *);\n",
        )?;

        let mut flags = Vec::new();
        if let Some(micropython) = &micropython {
            println!("cargo::rustc-cfg=micropython_tree");
            let port = micropython.join("ports/unix");
            for dir in [&port, micropython, &port.join("variants/standard")] {
                flags.push(format!("-I{}", utf8(dir)?));
            }
        } else {
            let port = out.join("host");
            write_if_changed(&port.join("py/mpconfig.h"), "")?;
            write_if_changed(&port.join("mbedtls/mbedtls_config_port.h"), HOST_CONFIG)?;
            flags.push(format!("-I{}", utf8(&port)?));
        }
        flags.push(format!("-I{}", utf8(&mbedtls.join("include"))?));
        if env::var_os("CARGO_FEATURE_TLS13").is_some() {
            flags.push("-DMPSSL_TLS13=1".into());
        }
        if env::var_os("CARGO_FEATURE_CRL").is_some() {
            flags.push("-DMPSSL_CRL=1".into());
        }
        let config = root.join("c_glue/mbedtls_config.h");
        flags.push(format!("-DMBEDTLS_CONFIG_FILE=\"{}\"", utf8(&config)?));
        flags.push("-include".into());
        flags.push(utf8(&allocator)?.into());
        for flag in [
            "-std=gnu99",
            "-DUNIX",
            "-DMICROPY_PY_SSL=1",
            if cfg!(feature = "record-buffers") {
                "-DMPSSL_RECORD_BUFFERS=1"
            } else {
                "-DMPSSL_RECORD_BUFFERS=0"
            },
            "-DMICROPY_SSL_MBEDTLS=1",
            "-DMICROPY_PY_THREAD=1",
            "-DMICROPY_PY_THREAD_GIL=0",
            "-D_FILE_OFFSET_BITS=64",
            "-D_TIME_BITS=64",
            // Empty, as the configuration files define their options.
            "-DMBEDTLS_PLATFORM_MEMORY=",
            "-DMBEDTLS_PLATFORM_CALLOC_MACRO=mpglue_calloc",
            "-DMBEDTLS_PLATFORM_FREE_MACRO=mpglue_free",
        ] {
            flags.push(flag.into());
        }
        // Macros concern what Rust sees of the structures; the rest only the compiler.
        let extra = host_cflags()?;
        flags.extend(extra.into_iter().filter(|flag| flag.starts_with("-D") || flag.starts_with("-U")));
        Ok(Input::Host { flags, micropython, mbedtls })
    }

    /// The C compiler, ready to preprocess or to be asked questions.
    fn compiler(&self) -> Result<Command> {
        match self {
            Input::Firmware { compiler: Some(words), cflags, dir } => {
                let (program, rest) = words.split_first().ok_or("MPSSL_CC is empty")?;
                let mut command = Command::new(program);
                command.args(rest).args(cflags).current_dir(dir);
                Ok(command)
            }
            Input::Firmware { compiler: None, cflags, dir } => {
                let mut command = cc_compiler()?;
                command.args(cflags).current_dir(dir);
                Ok(command)
            }
            Input::Host { flags, .. } => {
                let mut command = cc_compiler()?;
                command.args(flags);
                Ok(command)
            }
        }
    }

    /// Every macro defined at the end of `header`. A configuration file alone would not
    /// do: Mbed TLS's headers derive options from options.
    fn macros(&self, header: &Path) -> Result<HashMap<String, String>> {
        let mut command = self.compiler()?;
        command.args(["-dM", "-E", "-x", "c"]).arg(header);
        let (stdout, _) = output(&mut command)?;
        Ok(stdout
            .lines()
            .filter_map(|line| line.strip_prefix("#define "))
            .map(|line| line.split_once(' ').unwrap_or((line, "")))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect())
    }

    /// What libclang needs to see the headers as the C compiler does.
    fn clang_args(&self, macros: &HashMap<String, String>) -> Result<Vec<String>> {
        let mut args = match self {
            Input::Firmware { cflags, dir, .. } => layout_flags(cflags, dir)?,
            Input::Host { flags, .. } => flags.clone(),
        };
        // GCC for bare-metal ARM packs enums by default, clang does not.
        if macros.get("__ARM_SIZEOF_MINIMAL_ENUM").is_some_and(|size| size == "1") {
            args.push("-fshort-enums".into());
        }
        let own = libclang_headers();
        if let Some(dir) = &own {
            args.extend(["-resource-dir".into(), dir.clone()]);
        }
        if required("TARGET")? != required("HOST")? {
            // The cross compiler knows where its C library's headers are.
            for dir in self.system_headers(own.is_none())? {
                args.push("-isystem".into());
                args.push(dir);
            }
        }
        Ok(args)
    }

    /// The C compiler's own list of header directories. `all`: with those of the compiler
    /// itself, for which libclang should have its own.
    fn system_headers(&self, all: bool) -> Result<Vec<String>> {
        let mut command = self.compiler()?;
        command.args(["-E", "-v", "-x", "c", "/dev/null"]);
        let (_, stderr) = output(&mut command)?;
        Ok(stderr
            .lines()
            .skip_while(|line| !line.starts_with("#include <...>"))
            .skip(1)
            .take_while(|line| line.starts_with(' '))
            // GCC may name its C library's headers by way of its own directory.
            .filter_map(|dir| fs::canonicalize(dir.trim()).ok()?.into_os_string().into_string().ok())
            .filter(|dir| all || !dir.contains("/gcc/") && !dir.contains("/clang/"))
            .collect())
    }

    /// Sends calls of `functions` to their `__wrap_` namesakes. A firmware's linker is
    /// the port's.
    fn wrap(&self, functions: &[&str], switch: &str) -> Result<()> {
        match self {
            Input::Firmware { cflags, .. } => {
                // -flto=4, -flto=auto; the last one counts.
                let lto = cflags.iter().rfind(|flag| flag.starts_with("-flto") || *flag == "-fno-lto");
                if lto.is_some_and(|flag| flag != "-fno-lto") {
                    return Err(format!("with -flto the linker ignores --wrap: set {switch}=0"));
                }
            }
            // Cargo's package of the crate has no tests.
            Input::Host { .. } if !Path::new("tests").is_dir() => {}
            Input::Host { .. } => {
                for function in functions {
                    println!("cargo::rustc-link-arg-tests=-Wl,--wrap={function}");
                }
            }
        }
        Ok(())
    }

    /// Host builds bring their own Mbed TLS; a firmware has one.
    fn compile_mbedtls(&self, out: &Path) -> Result<()> {
        let Input::Host { flags, micropython, mbedtls } = self else {
            return Ok(());
        };
        // Nothing is linked, but clippy and rustdoc may run with all features.
        if env::var_os("CARGO_FEATURE_FIRMWARE").is_some() {
            return Ok(());
        }
        let extra = host_cflags()?;
        let library = mbedtls.join("library");
        let listing = fs::read_dir(&library).map_err(|error| format!("{}: {error}", library.display()))?;
        let mut sources: Vec<PathBuf> = listing
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "c"))
            // MicroPython has its own, shorter texts.
            .filter(|path| micropython.is_none() || path.file_name().is_some_and(|name| name != "error.c"))
            .collect();
        sources.sort();
        sources.extend(micropython.as_ref().map(|tree| tree.join("lib/mbedtls_errors/mp_mbedtls_errors.c")));
        rerun_if_changed(&library);

        // See c_glue/mbedtls_config.h.
        let (long, rest): (Vec<_>, Vec<_>) = sources.into_iter().partition(|path| {
            path.file_name().is_some_and(|name| ["rsa.c", "bignum.c"].iter().any(|long| name == *long))
        });
        let mut build = cc::Build::new();
        for flag in flags.iter().chain(&extra) {
            build.flag(flag);
        }
        build
            .include(&library)
            // Tests spend their time in here, whatever the profile.
            .opt_level(2)
            .warnings(false)
            .out_dir(out);
        let long = build
            .clone()
            .files(&long)
            .define("MPSSL_LONG_NUMBERS", "1")
            .try_compile_intermediates()
            .map_err(|error| format!("Mbed TLS does not compile: {error}"))?;
        build
            .files(&rest)
            .objects(long)
            .try_compile("mbedtls")
            .map_err(|error| format!("Mbed TLS does not compile: {error}"))?;

        if extra.iter().any(|flag| flag == "-fsanitize=address") {
            link_address_sanitizer()?;
        }
        Ok(())
    }
}

/// The words of `MPSSL_HOST_CFLAGS`.
fn host_cflags() -> Result<Vec<String>> {
    env::var("MPSSL_HOST_CFLAGS").map_or(Ok(Vec::new()), |words| shell_split("MPSSL_HOST_CFLAGS", &words))
}

/// Where libclang has its own headers (`stddef.h`). It looks for them beside itself, and some
/// distributions have the library in one place and these in another.
fn libclang_headers() -> Option<String> {
    let version = bindgen::clang_version();
    let (major, _) = version.parsed?;
    // "Debian clang version 14.0.6": the directory has either name.
    let full = version.full.split_whitespace().find(|word| word.starts_with(&format!("{major}.")))?;
    let full = full.split(['-', '+', '~']).next()?.to_owned();
    let named = env::var("LIBCLANG_PATH").ok().map(|path| {
        // A directory, or the file.
        let path = PathBuf::from(path);
        if path.is_dir() { path } else { path.parent().map(Path::to_owned).unwrap_or_default() }
    });
    let usual = [
        format!("/usr/lib/llvm-{major}/lib"),
        format!("/usr/lib/llvm{major}/lib"),
        format!("/usr/lib64/llvm{major}/lib"),
        "/usr/lib".into(),
        "/usr/lib64".into(),
        "/usr/local/lib".into(),
        "/opt/homebrew/opt/llvm/lib".into(),
    ];
    named
        .into_iter()
        .chain(usual.iter().map(PathBuf::from))
        .flat_map(|dir| [dir.join("clang").join(major.to_string()), dir.join("clang").join(&full)])
        .find(|dir| dir.join("include/stddef.h").is_file())
        .and_then(|dir| dir.into_os_string().into_string().ok())
}

/// A host's source tree: the one that the environment names, which must be there, or else the
/// one in the usual place, if it is.
fn source_tree(root: &Path, variable: &str, usual: &str, witness: &str) -> Result<Option<PathBuf>> {
    println!("cargo::rerun-if-env-changed={variable}");
    let named = env::var_os(variable);
    let dir = named.as_ref().map_or_else(|| root.join(usual), |dir| root.join(dir));
    rerun_if_changed(&dir.join(witness));
    match (dir.join(witness).is_file(), named) {
        (true, _) => Ok(Some(dir)),
        (false, None) => Ok(None),
        (false, Some(_)) => Err(format!("{variable}: there is no {witness} in {}", dir.display())),
    }
}

/// Options of Mbed TLS's own configuration, which the host's builds on where there is no
/// MicroPython: less what the module does not use.
const HOST_CONFIG: &str = "\
#include \"mbedtls/mbedtls_config.h\"
#undef MBEDTLS_PSA_CRYPTO_C
#undef MBEDTLS_PSA_CRYPTO_STORAGE_C
#undef MBEDTLS_PSA_ITS_FILE_C
#undef MBEDTLS_LMS_C
#undef MBEDTLS_SSL_RENEGOTIATION
#undef MBEDTLS_SSL_DTLS_SRTP
#undef MBEDTLS_SSL_CONTEXT_SERIALIZATION
#undef MBEDTLS_SSL_CACHE_C
#undef MBEDTLS_SSL_PROTO_TLS1_3
#undef MBEDTLS_ECP_DP_BP256R1_ENABLED
#undef MBEDTLS_ECP_DP_BP384R1_ENABLED
#undef MBEDTLS_ECP_DP_BP512R1_ENABLED
#undef MBEDTLS_ECP_DP_CURVE448_ENABLED
#undef MBEDTLS_KEY_EXCHANGE_DHE_RSA_ENABLED
#undef MBEDTLS_KEY_EXCHANGE_ECDH_ECDSA_ENABLED
#undef MBEDTLS_KEY_EXCHANGE_ECDH_RSA_ENABLED
#undef MBEDTLS_KEY_EXCHANGE_ECJPAKE_ENABLED
#undef MBEDTLS_KEY_EXCHANGE_RSA_PSK_ENABLED
#undef MBEDTLS_ARIA_C
#undef MBEDTLS_CAMELLIA_C
#define MBEDTLS_SSL_IN_CONTENT_LEN 16384
#define MBEDTLS_SSL_OUT_CONTENT_LEN 4096
";

/// The sources of Mbed TLS in a crate that has them, brought by cargo, which verifies them. The
/// crate itself is not built.
fn mbedtls_of_cargo(out: &Path) -> Result<PathBuf> {
    const CRATE: (&str, &str) = ("mbedtls-rs-sys", "0.3.1");
    let (name, version) = CRATE;
    let manifest = out.join("mbedtls/Cargo.toml");
    write_if_changed(
        &manifest,
        &format!(
            "[package]\nname = \"mbedtls-source\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\
             [workspace]\n[lib]\npath = \"lib.rs\"\n\
             [dependencies]\n{name} = {{ version = \"={version}\", default-features = false }}\n"
        ),
    )?;
    write_if_changed(&out.join("mbedtls/lib.rs"), "")?;
    let mut cargo = Command::new(required("CARGO")?);
    cargo.args(["metadata", "--format-version", "1", "--manifest-path", utf8(&manifest)?]);
    // Of no platform but this one: the rest of what the crate may depend on is not downloaded.
    let (metadata, _) = output(cargo.args(["--filter-platform", &required("HOST")?])).map_err(|error| {
        format!(
            "{error}\n\
             Tests compile Mbed TLS. Without `make sources`, which brings the firmware's, and without\n\
             MBEDTLS_DIR, which names one, it comes from the crate {name}, and that cannot be had."
        )
    })?;
    // The directory, as JSON writes a path of no unusual letters.
    let ends_with = format!("{name}-{version}/Cargo.toml\"");
    metadata
        .split("\"manifest_path\":\"")
        .filter_map(|rest| rest.split_inclusive('"').next())
        .find_map(|path| {
            Some(PathBuf::from(path.strip_suffix(&ends_with)?).join(format!("{name}-{version}/mbedtls")))
        })
        .filter(|dir| dir.join("include/mbedtls/ssl.h").is_file())
        .ok_or_else(|| format!("the crate {name} has no Mbed TLS in it"))
}

/// The compiler the `cc` crate finds for the target.
fn cc_compiler() -> Result<Command> {
    let tool = cc::Build::new()
        .cargo_metadata(false)
        .try_get_compiler()
        .map_err(|error| format!("no C compiler: {error}"))?;
    Ok(tool.to_command())
}

/// Whether Rust is compiled with it.
fn has_address_sanitizer() -> bool {
    env::var("CARGO_CFG_SANITIZE").is_ok_and(|all| all.contains("address"))
}

/// Links GCC's AddressSanitizer into the programs of this package. rustc passes
/// -nodefaultlibs, so the compiler does not do it, and the shared runtime would have to
/// come first of all libraries.
fn link_address_sanitizer() -> Result<()> {
    // With nightly's -Zsanitizer=address the runtime is rustc's.
    if has_address_sanitizer() {
        return Ok(());
    }
    let (path, _) = output(cc_compiler()?.arg("-print-file-name=libasan.a"))?;
    let path = path.trim();
    if !Path::new(path).is_absolute() {
        return Err("the C compiler has no static AddressSanitizer (libasan.a)".into());
    }
    for argument in ["-Wl,--whole-archive", path, "-Wl,--no-whole-archive", "-Wl,--export-dynamic"] {
        println!("cargo::rustc-link-arg={argument}");
    }
    for library in ["stdc++", "m", "dl", "rt", "pthread"] {
        println!("cargo::rustc-link-arg=-l{library}");
    }
    Ok(())
}

/// Of a C compiler's flags those that can change what a header says, with paths made
/// absolute. GCC has many that libclang refuses.
fn layout_flags(cflags: &[String], dir: &Path) -> Result<Vec<String>> {
    const PATHS: &[&str] = &["-I", "-isystem", "-iquote", "-idirafter", "-include", "-imacros"];
    const NAMES: &[&str] = &["-D", "-U"];
    const WHOLE: &[&str] =
        &["-m32", "-m64", "-fshort-enums", "-fno-short-enums", "-funsigned-char", "-fsigned-char"];
    const PREFIX: &[&str] = &["-std=", "-mabi=", "-fpack-struct"];

    let mut kept = Vec::new();
    let mut rest = cflags.iter();
    while let Some(flag) = rest.next() {
        let flag = flag.as_str();
        let option = PATHS.iter().chain(NAMES).find(|option| flag.starts_with(**option));
        if let Some(&option) = option {
            // "-Ipath" and "-I path" mean the same.
            let joined = flag.strip_prefix(option).unwrap_or_default();
            let value = if joined.is_empty() {
                rest.next().ok_or_else(|| format!("MPSSL_CFLAGS ends with {option}"))?
            } else {
                joined
            };
            kept.push(option.to_owned());
            kept.push(if PATHS.contains(&option) { rebase(value, option, dir)? } else { value.to_owned() });
        } else if WHOLE.contains(&flag) || PREFIX.iter().any(|prefix| flag.starts_with(prefix)) {
            kept.push(flag.to_owned());
        }
    }
    Ok(kept)
}

fn rebase(path: &str, option: &str, dir: &Path) -> Result<String> {
    let absolute = dir.join(path);
    // -include also searches the -I directories.
    let searched = matches!(option, "-include" | "-imacros") && !absolute.exists();
    Ok(if searched { path.to_owned() } else { utf8(&absolute)?.to_owned() })
}

// ---- What is made of them ---------------------------------------------------

/// That it is a version that can be built; which patch release.
fn check_version(macros: &HashMap<String, String>) -> Result<u32> {
    let number = |name: &str| macros.get(name).and_then(|value| value.parse::<u32>().ok());
    let version =
        (number("MBEDTLS_VERSION_MAJOR"), number("MBEDTLS_VERSION_MINOR"), number("MBEDTLS_VERSION_PATCH"));
    let (Some(major), Some(minor), Some(patch)) = version else {
        return Err("the Mbed TLS headers give no version: Mbed TLS 3.6 is required".into());
    };
    if (major, minor) != (3, 6) {
        return Err(format!("Mbed TLS 3.6 is required, this firmware has {major}.{minor}.{patch}"));
    }
    let fixed_since: Vec<&str> =
        CVES.iter().filter(|(fixed_in, _)| *fixed_in > patch).map(|(_, cves)| *cves).collect();
    if !fixed_since.is_empty() {
        println!(
            "cargo::warning=Mbed TLS {major}.{minor}.{patch} has known vulnerabilities, fixed in \
             {major}.{minor}.{NEWEST}: {}. Name a newer tree by MBEDTLS_DIR, or update the one you have \
             (lib/mbedtls in MicroPython's tree).",
            fixed_since.join(", ")
        );
    }
    // The overflow is the peer's to cause: no build of that kind.
    let cbc = macros.contains_key("MBEDTLS_SSL_SOME_SUITES_USE_CBC");
    if patch < 7 && !cbc && macros.contains_key("MBEDTLS_KEY_EXCHANGE_ECDHE_PSK_ENABLED") {
        return Err(format!(
            "Mbed TLS {major}.{minor}.{patch} with ECDHE-PSK and without CBC has a buffer overflow that any \
             peer can cause (CVE-2026-50580): take {major}.{minor}.7 (MBEDTLS_DIR names a tree), define \
             MBEDTLS_CIPHER_MODE_CBC, or undefine MBEDTLS_KEY_EXCHANGE_ECDHE_PSK_ENABLED"
        ));
    }
    for (since, what) in [
        (3, "a TLS handshake message in several records"),
        (6, "a ClientHello in several records or datagrams"),
    ] {
        if patch < since {
            println!(
                "cargo::warning=Mbed TLS {major}.{minor}.{patch} refuses {what}: \
                 {major}.{minor}.{since} was the first to take one"
            );
        }
    }
    Ok(patch)
}

/// That TLS 1.3 can be had, for which the port has asked.
fn check_tls13(macros: &HashMap<String, String>, patch: u32, wraps: bool) -> Result<()> {
    if let Some(missing) = TLS13_OPTIONS.iter().find(|option| !macros.contains_key(**option)) {
        return Err(format!("MPSSL_TLS13=1: this Mbed TLS is configured without {missing}"));
    }
    if patch < TLS13_SINCE {
        return Err(format!(
            "MPSSL_TLS13=1: TLS 1.3 needs Mbed TLS 3.6.{TLS13_SINCE} or newer, 3.6.{NEWEST} at best: name a \
             tree by MBEDTLS_DIR"
        ));
    }
    if patch == 6 {
        println!(
            "cargo::warning=Mbed TLS 3.6.6: a client that offers TLS 1.3 refuses servers of TLS 1.2 that sign \
             with RSA-PSS, as most with an RSA certificate do"
        );
    }
    if !wraps {
        return Err("MPSSL_TLS13=1: TLS 1.3 needs a linker with --wrap".into());
    }
    if macros.contains_key("MBEDTLS_USE_PSA_CRYPTO") {
        return Err("MPSSL_TLS13=1: MBEDTLS_USE_PSA_CRYPTO is not supported with it".into());
    }
    Ok(())
}

/// The sizes and offsets in the assertions bindgen wrote, as a C header.
fn abi_header(bindings: &str, types: &[&str]) -> Result<String> {
    let mut header = String::from(
        "// Made by build.rs: how the Rust side sees Mbed TLS's structures.\n\
         #ifndef MPSSL_ABI_H\n#define MPSSL_ABI_H\n\n",
    );
    let (mut sizes, mut offsets) = (String::new(), String::new());
    for name in types {
        let (_, size) = assertions(bindings, "Size of ")
            .find(|(subject, _)| subject == name)
            .ok_or_else(|| format!("bindgen's output has no size of {name}"))?;
        write!(sizes, " \\\n    CHECK({name}, {size})").map_err(|error| error.to_string())?;
        for (subject, offset) in assertions(bindings, "Offset of field: ") {
            let Some((of, field)) = subject.split_once("::") else { continue };
            // Anonymous members have a name in Rust only.
            if of == *name && !field.starts_with("__bindgen") {
                // Rust's keywords have an underscore appended.
                let field = match field {
                    "type_" => "type",
                    other => other,
                };
                write!(offsets, " \\\n    CHECK({name}, {field}, {offset})")
                    .map_err(|error| error.to_string())?;
            }
        }
    }
    for (what, list) in [("SIZES", &sizes), ("OFFSETS", &offsets)] {
        write!(header, "#define MPSSL_ABI_{what}(CHECK){list}\n\n").map_err(|error| error.to_string())?;
    }
    header.push_str("#endif // MPSSL_ABI_H\n");
    Ok(header)
}

/// Bindgen's layout assertions that begin with `kind`: what they are about, and the
/// number. They read `["Size of T"][size_of::<T>() - 8usize]`, in one line or more.
fn assertions<'a>(bindings: &'a str, kind: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
    bindings
        .split(&format!("\"{kind}"))
        .skip(1)
        .filter_map(|text| assertion(text))
        .collect::<Vec<_>>()
        .into_iter()
}

fn assertion(text: &str) -> Option<(&str, &str)> {
    let (subject, rest) = text.split_once('"')?;
    let (expression, _) = rest.split_once("usize")?;
    let (_, number) = expression.rsplit_once("- ")?;
    Some((subject, number))
}

// ---- Small things -----------------------------------------------------------

fn required(variable: &str) -> Result<String> {
    env::var(variable).map_err(|_| format!("{variable} is not set"))
}

fn utf8(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| format!("not UTF-8: {}", path.display()))
}

fn rerun_if_changed(path: &Path) {
    println!("cargo::rerun-if-changed={}", path.display());
}

fn shell_split(variable: &str, words: &str) -> Result<Vec<String>> {
    shlex::split(words).ok_or_else(|| format!("{variable} is not quoted as for a shell: {words}"))
}

fn output(command: &mut Command) -> Result<(String, String)> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        return Err(format!("{command:?}: {}\n{stderr}", output.status));
    }
    Ok((String::from_utf8_lossy(&output.stdout).into_owned(), stderr))
}

/// An unchanged file keeps its time, so nothing that depends on it is made again.
/// An array of four bytes by which the builds are known that read each other's states of connections: those
/// of one version of this crate, with one version of Mbed TLS, configured alike (FNV-1a of all that).
fn fingerprint(macros: &HashMap<String, String>, exported_keys: bool) -> String {
    // Where a file is says nothing of what is in it.
    let mut options: Vec<_> = macros
        .iter()
        .filter(|(name, _)| name.starts_with("MBEDTLS_") && !name.ends_with("_FILE"))
        .map(|(name, value)| format!("{name} {value}\n"))
        .collect();
    options.sort_unstable();
    let text = format!("{} {exported_keys}\n{}", env!("CARGO_PKG_VERSION"), options.concat());
    let step = |digest: u32, byte: u8| (digest ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    format!("{:?}\n", text.bytes().fold(0x811c_9dc5, step).to_be_bytes())
}

fn write_if_changed(path: &Path, text: &str) -> Result<()> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    }
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
