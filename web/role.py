"""The PostgreSQL role of the web service: it may read, and nothing else."""

from __future__ import annotations

from sqlalchemy import Connection, make_url
from sqlalchemy.engine import URL

from sipmdcs.errors import BadInput
from sipmdcs.site import Site


def reading_role(site: Site) -> URL:
    """The URL of the role, from ``web.database``.

    Raises:
        BadInput: the site names none, or it is not on PostgreSQL.
    """
    key = "web.database"
    where = site.folder / "site.yaml"
    if not site.file.web.database:
        message = "is not set, expected the URL of a role of its own such as postgresql+psycopg://sipmdcs_web@HOST/DATABASE"
        raise BadInput(message, file=where, key=key)
    url = make_url(site.file.web.database)
    if url.get_backend_name() != "postgresql" or not url.username:
        raise BadInput("names no PostgreSQL role; SQLite needs none, its file is opened for reading", file=where, key=key)
    owner = make_url(site.database_url)
    if owner.username == url.username:
        raise BadInput(f"is the role {url.username} that owns the tables, expected another", file=where, key=key)
    return url


def grant_statements(connection: Connection, url: URL) -> list[str]:
    """SQL that makes the role and lets it read all there is and will be; run by the owner of the tables, as often as wanted.

    Args:
        connection: to the site's database, as the owner of the tables.
        url: of the role.
    """
    quote = connection.dialect.identifier_preparer.quote_identifier
    role, database = quote(str(url.username)), quote(str(connection.engine.url.database))
    owner = quote(str(connection.exec_driver_sql("SELECT current_user").scalar_one()))
    there = connection.exec_driver_sql("SELECT 1 FROM pg_roles WHERE rolname = %(name)s", {"name": url.username}).first()
    make = "ALTER" if there else "CREATE"
    return [
        f"{make} ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION",
        f"ALTER ROLE {role} SET default_transaction_read_only = on",
        f"REVOKE ALL ON SCHEMA public FROM {role}",
        f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}",
        f"GRANT CONNECT ON DATABASE {database} TO {role}",
        f"GRANT USAGE ON SCHEMA public TO {role}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}",
        f"ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public GRANT SELECT ON TABLES TO {role}",
    ]


def password_statement(connection: Connection, url: URL) -> str | None:
    """SQL that gives the role the password of its URL; ``None`` if that has none. Not to be printed."""
    if url.password is None:
        return None
    quote = connection.dialect.identifier_preparer.quote_identifier
    text = str(url.password).replace("'", "''")
    return f"ALTER ROLE {quote(str(url.username))} PASSWORD '{text}'"
