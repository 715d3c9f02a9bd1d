//! PURE. Every reason for which the HTTP engine refuses a client, or gives up on a server.
//!
//! A [`Refusal`] is the client's doing: it is counted by its name, traced, answered with its
//! status, and the connection is closed. A [`Failure`] is the server's doing: the client gets a
//! 5xx.

/// Declares an enum whose variants have a name for counters and a status for the answer.
macro_rules! reasons {
    ($(#[$meta:meta])* $kind:ident {
        $($(#[$doc:meta])* $variant:ident = $name:literal, $status:literal;)+
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $kind { $($(#[$doc])* $variant,)+ }

        impl $kind {
            /// All of them, in the order of their counters.
            pub const ALL: &'static [$kind] = &[$($kind::$variant,)+];

            /// The name that counters and traces carry.
            pub const fn name(self) -> &'static str {
                match self { $($kind::$variant => $name,)+ }
            }

            /// The status of the answer.
            pub const fn status(self) -> u16 {
                match self { $($kind::$variant => $status,)+ }
            }

            /// Its place among the counters.
            pub const fn index(self) -> usize {
                self as usize
            }
        }
    };
}
pub(crate) use reasons;

reasons! {
    /// Why a client is refused.
    ///
    /// **Source**: RFC 9112 sections 2.2, 3, 5, 6, 7; RFC 9110 sections 5.5, 7.2, 9.3, 10.1.1;
    /// `doc/proxy-protocol.txt` (HAProxy) section 2.
    Refusal {
        /// A carriage return that no line feed follows.
        BareCr = "bare-cr", 400;
        /// A line feed that no carriage return precedes.
        BareLf = "bare-lf", 400;
        /// A NUL byte in the head.
        Nul = "nul", 400;
        /// Another control character in the head.
        Control = "control", 400;
        /// More than [`super::head::HEAD_BYTES_MAX`] before the empty line.
        HeadTooLong = "head-too-long", 431;
        /// More than [`super::head::FIELDS_MAX`] fields.
        FieldsTooMany = "fields-too-many", 431;
        /// The first line is not method, space, target, space, version.
        RequestLine = "request-line", 400;
        /// The method is not a token, or longer than [`super::head::METHOD_BYTES_MAX`].
        Method = "method", 400;
        /// A request line without a version.
        Http09 = "http-0.9", 400;
        /// The opening of HTTP/2.
        Http2Preface = "http-2-preface", 400;
        /// A TLS handshake on a plain port.
        TlsHandshake = "tls-handshake", 400;
        /// A version other than 1.0 and 1.1.
        Version = "version", 505;
        /// `CONNECT`: this is no forward proxy.
        Connect = "connect", 501;
        /// The target fits none of the forms, or not this method.
        Target = "target", 400;
        /// An absolute target with a scheme other than `http`.
        Scheme = "scheme", 400;
        /// A field line that begins with white space.
        ObsFold = "obs-fold", 400;
        /// White space between a field's name and the colon.
        SpaceBeforeColon = "space-before-colon", 400;
        /// A field's name is empty, not a token, or has no colon after it.
        FieldName = "field-name", 400;
        /// No `Host` in HTTP/1.1.
        HostMissing = "host-missing", 400;
        /// More than one `Host`.
        HostRepeated = "host-repeated", 400;
        /// A `Host` that is no host and port.
        HostInvalid = "host-invalid", 400;
        /// A `Host` that differs from the absolute target.
        HostDiffers = "host-differs", 400;
        /// More than one `Content-Length`.
        LengthRepeated = "length-repeated", 400;
        /// A `Content-Length` that is not `1*DIGIT`.
        LengthInvalid = "length-invalid", 400;
        /// A `Content-Length` beyond 2^63 - 1.
        LengthOverflow = "length-overflow", 400;
        /// `Content-Length` beside `Transfer-Encoding`.
        LengthWithCoding = "length-with-coding", 400;
        /// More than one `Transfer-Encoding` field.
        CodingRepeated = "coding-repeated", 400;
        /// A `Transfer-Encoding` other than one `chunked`.
        CodingUnknown = "coding-unknown", 400;
        /// `Transfer-Encoding` in HTTP/1.0.
        CodingIn10 = "coding-in-1.0", 400;
        /// A body on `TRACE`.
        TraceWithBody = "trace-with-body", 400;
        /// A chunk size that is not `1*HEXDIG`.
        ChunkSize = "chunk-size", 400;
        /// A chunk size beyond 2^60 - 1.
        ChunkOverflow = "chunk-overflow", 400;
        /// A chunk extension that is too long or holds a control character.
        ChunkExtension = "chunk-extension", 400;
        /// A line of the chunked coding that does not end in CR LF.
        ChunkLineEnd = "chunk-line-end", 400;
        /// Bytes after a chunk that are not CR LF.
        ChunkDataEnd = "chunk-data-end", 400;
        /// A trailer field that is none.
        Trailer = "trailer", 400;
        /// More trailers than [`super::chunked::TRAILER_BYTES_MAX`].
        TrailersTooLong = "trailers-too-long", 400;
        /// An `Expect` other than `100-continue`.
        Expect = "expect", 417;
        /// The head did not arrive in time.
        HeaderTimeout = "header-timeout", 408;
        /// The body stopped arriving.
        BodyTimeout = "body-timeout", 408;
        /// This runtime has as many connections as it may have.
        Full = "full", 503;
        /// No PROXY header from a source that must send one, or not a whole one. These are not
        /// answered: the connection is closed.
        ProxyMissing = "proxy-missing", 400;
        /// A PROXY header that is longer than any needs to be.
        ProxyTooLong = "proxy-too-long", 400;
        /// A line of version 1 that has not the words it must have, or does not end in CR LF.
        ProxyLine = "proxy-line", 400;
        /// A family that is not assigned, or is none of a stream.
        ProxyFamily = "proxy-family", 400;
        /// An address or a port of version 1 that is none.
        ProxyAddress = "proxy-address", 400;
        /// A binary header of another version than 2.
        ProxyVersion = "proxy-version", 400;
        /// A command of version 2 other than `LOCAL` and `PROXY`.
        ProxyCommand = "proxy-command", 400;
        /// A header of version 2 that is too short for its addresses.
        ProxyLength = "proxy-length", 400;
        /// The PROXY header did not arrive in time.
        ProxyTimeout = "proxy-timeout", 408;
    }
}

reasons! {
    /// Why a request got no answer from a server.
    Failure {
        /// No server is up, or none could be connected to.
        NoServer = "no-server", 503;
        /// Every server is at its limit, and as many clients wait as may.
        QueueFull = "queue-full", 503;
        /// No server had room while the client waited.
        QueueTimeout = "queue-timeout", 503;
        /// The server closed before it had answered.
        Closed = "closed", 502;
        /// The answer breaks the protocol.
        BadAnswer = "bad-answer", 502;
        /// No answer in time.
        AnswerTimeout = "answer-timeout", 504;
        /// The answer's body ended early or stalled; the client's connection is cut.
        CutOff = "cut-off", 502;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_places_are_dense() {
        let names: BTreeSet<_> = Refusal::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(names.len(), Refusal::ALL.len());
        for (place, reason) in Refusal::ALL.iter().enumerate() {
            assert_eq!(reason.index(), place);
        }
        for (place, reason) in Failure::ALL.iter().enumerate() {
            assert_eq!(reason.index(), place);
        }
    }
}
