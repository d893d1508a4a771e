//! Enums of which every variant has a token: the one name it has in Cache-Status, log and metric.
//!
//! Written so that no variant can be without one, nor be missing where all are listed.

/// Defines such an enum, with `ALL` and `token()`.
macro_rules! tokens {
    (
        $(#[$about:meta])*
        pub enum $name:ident { $($(#[$of:meta])* $variant:ident => $token:literal,)+ }
    ) => {
        $(#[$about])*
        pub enum $name { $($(#[$of])* $variant,)+ }

        impl $name {
            /// Every one of them.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// Its place among them.
            #[must_use]
            pub const fn index(self) -> usize {
                self as usize
            }

            /// Its token, in Cache-Status as in log and metric.
            #[must_use]
            pub const fn token(self) -> &'static str {
                match self {
                    $($name::$variant => $token,)+
                }
            }
        }
    };
}
