"""A real SMTP server for the courier's tests: Debian's python3-aiosmtpd.

usage: python3 sink.py plain|starttls|tls CERT KEY
Prints its port, then one line of JSON for each mail, parsed by Python's own email package.
"""

import asyncio
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


class Sink:
    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        login = session.auth_data
        tell({
            "mail_from": envelope.mail_from,
            "rcpt_to": envelope.rcpt_tos,
            "fields": sorted(mail.keys()),
            "subject": mail["subject"],
            "to": mail["to"],
            "message_id": mail["message-id"],
            "body": mail.get_content().replace("\r\n", "\n"),
            "tls": session.ssl is not None or mode == "tls",
            "user": login.login.decode() if login else None,
        })
        return "250 2.0.0 taken as 4711"


def check(server, session, envelope, mechanism, data):
    good = isinstance(data, LoginPassword) and data.password == b"secret"
    return AuthResult(success=good, handled=False, auth_data=data)


def tell(what):
    print(json.dumps(what), flush=True)


def smtp():
    if mode == "plain":
        return SMTP(Sink(), hostname="sink")
    return SMTP(
        Sink(),
        hostname="sink",
        tls_context=context if mode == "starttls" else None,
        require_starttls=mode == "starttls",
        auth_required=True,
        auth_require_tls=mode == "starttls",
        authenticator=check,
    )


async def main():
    wrap = context if mode == "tls" else None
    server = await asyncio.get_running_loop().create_server(smtp, "127.0.0.1", 0, ssl=wrap)
    tell(server.sockets[0].getsockname()[1])
    await server.serve_forever()


mode, cert, key = sys.argv[1:4]
context = None
if mode != "plain":
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
asyncio.run(main())
