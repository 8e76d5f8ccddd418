"""``sipmdcs web``: the service, and the role it reads SQL with."""

from __future__ import annotations

import asyncio

import click

from sipmdcs.cli import pass_site
from sipmdcs.command_examples import examples
from sipmdcs.optional_imports import do_without
from sipmdcs.site import Site


@click.group(
    invoke_without_command=True,
    epilog=examples(
        "sipmdcs web                    # serve at http://127.0.0.1:8080, or where site.yaml says",
        "sipmdcs web grant              # print the SQL that makes the role of web.database, which can only read",
        "sipmdcs web grant --execute    # run it, as the owner of the tables",
    ),
)
@click.pass_context
def web(context: click.Context) -> None:
    """Run the aggregation API and the page until it is stopped."""
    if context.invoked_subcommand is None:
        context.invoke(_serve)


@pass_site
def _serve(site: Site) -> None:
    do_without("rich", "pygments")  # httpx imports them for a command line of its own: 3 MB
    from web.service import run_web  # loads libca, FastAPI and every table, which grant does without

    asyncio.run(run_web(site))


@web.command(
    epilog=examples(
        "sipmdcs web grant > role.sql",
        "sipmdcs web grant --execute",
    ),
)
@click.option(
    "--execute", is_flag=True, help="Run the statements instead of printing them; gives the role its password as well."
)
@pass_site
def grant(site: Site, *, execute: bool) -> None:
    """Print the SQL that makes the role named in web.database; it may read every table and change none."""
    from sqlalchemy.exc import SQLAlchemyError

    from sipmdcs.database import database_error, make_engine
    from web.role import grant_statements, password_statement, reading_role

    url = reading_role(site)
    engine = make_engine(site.database_url)
    try:
        with engine.begin() as connection:
            statements = grant_statements(connection, url)
            if execute:
                for statement in (*statements, password_statement(connection, url)):
                    if statement is not None:
                        connection.exec_driver_sql(statement)
    except SQLAlchemyError as err:
        raise database_error(engine, err) from err
    finally:
        engine.dispose()
    if execute:
        click.echo(f"role {url.username} may read every table of {engine.url.database} and change none")
        return
    for statement in statements:
        click.echo(f"{statement};")
    if url.password is not None:
        click.echo(f"-- then give it its password: \\password {url.username}")
