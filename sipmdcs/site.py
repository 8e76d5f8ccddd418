"""The site folder: one folder is one installation.

``site.yaml`` names ports, services, controllers and how they are spread over IOC processes. ``var/`` below the folder holds all
state. What is cabled to which controller is not here but in the configuration database; it reaches the IOCs as rendered
``.substitutions`` files in ``var/rendered``.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from sipmdcs.epicsdb import Record, load_substitutions
from sipmdcs.errors import BadInput, NotRendered
from sipmdcs.installed import installed
from sipmdcs.yamlfile import KeyProblem, Strict, read_yaml

SITE_FILE = "site.yaml"
RECORDS = "sipmdcs.records"
"""Entry points of functions that take a ``Site`` and give records of the service they are named after."""


def _name_part(text: str) -> str:
    if not re.fullmatch(r"[A-Z][A-Z0-9_]*", text):
        raise ValueError("expected upper-case letters, digits and underscores, as in a PV name")
    return text


def _identity(text: str) -> str:
    if text and (not text.strip() or not text.isprintable() or len(text) > 200):
        raise ValueError("expected one line of at most 200 characters")
    return text


def _ioc_name(text: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9-]*", text):
        raise ValueError("expected lower-case letters, digits and dashes")
    return text


def _title(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("expected one line of text")
    return text


def _address(text: str) -> str:
    if not is_ip_address(text, 4):
        raise ValueError("expected an IPv4 address such as 127.0.0.1")
    return text


def _search_address(text: str) -> str:
    host, colon, port = text.partition(":")
    is_name = re.fullmatch(
        r"(?=.*[A-Za-z])[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?)*\.?", host
    )
    is_port = not colon or (re.fullmatch(r"[0-9]{1,5}", port) and 0 < int(port) <= 65535)
    if not is_port or not (is_ip_address(host, 4) or (is_name and len(host) <= 253)):
        raise ValueError("expected HOST or HOST:PORT with an IPv4 address or the name of a host, such as 10.0.0.5:5066")
    return text


def is_ip_address(text: str, version: int) -> bool:
    """Whether a text is an IP address of this version, 4 or 6."""
    try:
        return ipaddress.ip_address(text).version == version
    except ValueError:
        return False


def _wire(text: str) -> str:
    # Which schemes there are is the drivers' business; a name of a device or host alone is none.
    if text != "sim" and not re.fullmatch(r"[a-z][a-z0-9+.-]*://.+", text):
        raise ValueError("expected sim, serial:///DEVICE or tcp://HOST[:TELNET[:HTTP]]")
    return text


def _database(text: str) -> str:
    if text and not re.fullmatch(r"(sqlite:///|postgresql(\+\w+)?://).+", text):
        raise ValueError("expected sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME")
    return text


def _scheduler(text: str) -> str:
    if text and not re.fullmatch(r"[a-z]+://.+", text):
        raise ValueError("expected the address of a Dask scheduler such as tcp://HOST:8786")
    return text


DatabaseUrl = Annotated[str, AfterValidator(_database)]
NamePart = Annotated[str, AfterValidator(_name_part)]
IocName = Annotated[str, AfterValidator(_ioc_name)]
Port = Annotated[int, Field(ge=1, le=65535, strict=True)]
Address = Annotated[str, AfterValidator(_address)]
SearchAddress = Annotated[str, AfterValidator(_search_address)]


class ChannelAccess(Strict):
    """Where Channel Access listens. Loopback unless the site says otherwise."""

    server_port: Port = 5064
    repeater_port: Port = 5065
    interface: Address = "127.0.0.1"
    """Address the IOCs bind to."""
    address_list: tuple[SearchAddress, ...] = ()
    """Where clients search, as libca takes it: addresses or names of hosts, each with a port if it is not ``server_port``. Left
    out, the broadcast address of the loopback network, on which every IOC of this machine hears a search although they share
    one port."""


def _host_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.:_-]*[A-Za-z0-9])?", text) or ("." in text and ":" in text):
        raise ValueError("expected a name such as dcs.example.org, or an address, without port")
    return text.lower()


HostName = Annotated[str, AfterValidator(_host_name)]


class HttpEdge(Strict):
    """What every HTTP service of the site lets in."""

    hosts: tuple[HostName, ...] = ()
    """Names by which clients and proxies call this machine, besides those of loopback and the address a service listens on."""
    proxies: tuple[Address, ...] = ("127.0.0.1",)
    """Addresses of reverse proxies: what they say of their clients is believed, and many clients may come from each."""
    max_connections: Annotated[int, Field(ge=8, le=100_000, strict=True)] = 512
    """Of one service, fewer if the process may not open as many files."""
    max_connections_per_address: Annotated[int, Field(ge=4, le=100_000, strict=True)] = 128
    """Of one service, from one address that is not a proxy."""


class HttpService(Strict):
    """Where a service answers HTTP."""

    port: Port
    interface: Address = "127.0.0.1"


class WebService(HttpService):
    """The aggregation API and the page."""

    port: Port = 8080
    database: DatabaseUrl = ""
    """SQL URL of a role that can only read; left out, the site's database, opened for reading only."""


class Controller(Strict):
    """One controller that is installed."""

    driver: str
    """Kind of controller: a name of the entry-point group ``sipmdcs.drivers``."""
    id: str
    """Name of the controller in the channel table, such as ``13``."""
    subsystem: NamePart
    port: Annotated[str, AfterValidator(_wire)]
    """The wire: ``serial:///dev/ttyUSB0``, ``tcp://192.168.5.13``, or ``sim`` for a simulator of this site."""
    poll_s: Annotated[float, Field(gt=0, le=60, strict=True)] = 1.0
    """Poll period, seconds."""


class Ioc(Strict):
    """One IOC process."""

    controllers: Annotated[tuple[NamePart, ...], Field(min_length=1)]


class SiteFile(Strict):
    """Schema of ``site.yaml``."""

    name: Annotated[str, AfterValidator(_title)]
    prefix: NamePart
    """First part of every PV name."""
    channel_access: ChannelAccess = ChannelAccess()
    database: DatabaseUrl = ""
    """SQL URL; left out, SQLite in ``var``."""
    archive: str = ""
    """Folder of the archive, relative to the site folder; left out, ``var/archive``."""
    http: HttpEdge = HttpEdge()
    identity: Annotated[str, AfterValidator(_identity)] = ""
    """Tells this site from others, for clients on other machines that have a copy of this folder; left out, name and folder."""
    archiver: HttpService = HttpService(port=17665)
    alarms: HttpService = HttpService(port=8081)
    logbook: HttpService = HttpService(port=8082)
    web: WebService = WebService()
    memcached: HttpService = HttpService(port=11211)
    """The hot cache; speaks memcached's own protocol, not HTTP."""
    analysis: Annotated[str, AfterValidator(_scheduler)] = ""
    """Address of a Dask scheduler, such as ``tcp://dask-scheduler:8786``; left out, workers on this machine."""
    services: tuple[str, ...] = ("archiver", "alarms")
    """Services that ``up`` starts besides the IOCs."""
    controllers: Annotated[dict[NamePart, Controller], Field(min_length=1)]
    iocs: Annotated[dict[IocName, Ioc], Field(min_length=1)]

    @model_validator(mode="after")
    def _every_port_has_one_owner(self) -> SiteFile:
        owners: dict[int, str] = {}
        for name in ("archiver", "alarms", "logbook", "web", "memcached"):
            port = getattr(self, name).port
            if port in owners:
                raise KeyProblem((name, "port"), f"is {port}, as {owners[port]}.port is")
            owners[port] = name
        access = self.channel_access
        if access.server_port == access.repeater_port:
            raise KeyProblem(("channel_access", "repeater_port"), f"is {access.repeater_port}, as server_port is")
        return self

    @model_validator(mode="after")
    def _every_controller_has_one_ioc(self) -> SiteFile:
        homes: dict[str, str] = {}
        for ioc, entry in self.iocs.items():
            for index, name in enumerate(entry.controllers):
                place = ("iocs", ioc, "controllers", index)
                if name not in self.controllers:
                    raise KeyProblem(place, f"{name} is not under controllers")
                if name in homes:
                    raise KeyProblem(place, f"controller {name} is in IOC {homes[name]} and in IOC {ioc}")
                homes[name] = ioc
        if homeless := sorted(self.controllers.keys() - homes.keys()):
            raise KeyProblem(("controllers", homeless[0]), "controller is in no IOC")
        return self


class Site:
    """An installation: its folder and what its ``site.yaml`` says."""

    def __init__(self, folder: Path) -> None:
        """Read the site in ``folder``.

        Raises:
            BadInput: there is no ``site.yaml`` or it is not what the schema expects.
        """
        self.folder = folder.resolve()
        if not (self.folder / SITE_FILE).is_file():
            raise BadInput(f"no {SITE_FILE} here; name a site folder with --site", file=self.folder)
        self.file = read_yaml(self.folder / SITE_FILE, SiteFile)

    @property
    def var(self) -> Path:
        """Folder of all state."""
        return self.folder / "var"

    @property
    def rendered(self) -> Path:
        """Folder of the files that IOCs boot from."""
        return self.var / "rendered"

    @property
    def database_url(self) -> str:
        """SQL URL of configuration and topology."""
        return self._located(self.file.database) or f"sqlite:///{self.var / 'sipmdcs.sqlite'}"

    @property
    def identity(self) -> str:
        """What tells this site from others, in requests to its services and in their replies."""
        return self.file.identity or f"{self.file.prefix} in {self.folder}"

    @property
    def archive_folder(self) -> Path:
        """Folder of the archive."""
        return self.folder / self.file.archive if self.file.archive else self.var / "archive"

    @property
    def read_database_url(self) -> str:
        """SQL URL for those who must not write."""
        return self._located(self.file.web.database) or self.database_url

    def _located(self, url: str) -> str:
        """A database URL in which a relative SQLite file is one of the site, wherever the command is given."""
        scheme, _, file = url.partition(":///")
        return f"sqlite:///{self.folder / file}" if scheme == "sqlite" and file != ":memory:" else url

    @property
    def raw_folder(self) -> Path:
        """Folder of raw results of IV and spectrum runs."""
        return self.var / "raw"

    def spool_folder(self, part: str) -> Path:
        """Folder in which a part keeps what it could not store yet."""
        return self.var / "spool" / part

    @property
    def access_file(self) -> Path | None:
        """Access security of every IOC and service: the site's own file, else the one that comes with the templates."""
        own = self.folder / "access.acf"
        return own if own.is_file() else packaged_templates() / "access.acf"

    @property
    def template_path(self) -> tuple[Path, ...]:
        """Where templates are looked up: the site's own first, then ours."""
        return (self.folder / "db_templates", packaged_templates())

    def simulator_endpoint(self, controller: str) -> Path:
        """File in which the simulator of a controller says where it listens."""
        return self.var / "sim" / f"{controller}.json"

    def ioc_of(self, controller: str) -> str:
        """Name of the IOC that runs a controller."""
        return next(name for name, ioc in self.file.iocs.items() if controller in ioc.controllers)

    def controller_prefix(self, controller: str) -> str:
        """``DET:SUB:CTRL`` of a controller."""
        return f"{self.file.prefix}:{self.file.controllers[controller].subsystem}:{controller}"

    def service_prefix(self, service: str) -> str:
        """``DET:SYS:SERVICE`` of a service or an IOC process."""
        return f"{self.file.prefix}:SYS:{service.upper().replace('-', '_')}"

    def ca_environment(self) -> dict[str, str]:
        """EPICS environment variables of every process of this site, servers and clients alike."""
        access = self.file.channel_access
        loopback = ipaddress.IPv4Address(access.interface).is_loopback
        default = "127.255.255.255" if loopback else access.interface
        searched = access.address_list or (default,)
        # Beacons go to repeaters. An entry with a port is a server, and an IOC does not depend on a name server.
        told = [address for address in searched if is_ip_address(address, 4)] or [default]
        return {
            "EPICS_CA_ADDR_LIST": " ".join(searched),
            "EPICS_CA_AUTO_ADDR_LIST": "NO",
            "EPICS_CA_SERVER_PORT": str(access.server_port),
            "EPICS_CA_REPEATER_PORT": str(access.repeater_port),
            "EPICS_CAS_SERVER_PORT": str(access.server_port),
            "EPICS_CAS_INTF_ADDR_LIST": access.interface,
            "EPICS_CAS_BEACON_ADDR_LIST": " ".join(told),
            "EPICS_CAS_AUTO_BEACON_ADDR_LIST": "NO",
            "EPICS_CAS_BEACON_PORT": str(access.repeater_port),
        }

    @cached_property
    def service_names(self) -> tuple[str, ...]:
        """IOC processes and services, in the order they are started."""
        return (*self.file.iocs, *self.file.services)

    def ioc_records(self, ioc: str) -> list[Record]:
        """Records of one IOC process: its rendered controllers and its own service PVs.

        Raises:
            NotRendered: nothing is rendered for it yet.
            BadInput: a file is wrong.
        """
        path = self.rendered / f"{ioc}.substitutions"
        if not path.is_file():
            raise NotRendered("is not rendered yet; run: sipmdcs config render", file=path)
        return [*load_substitutions(path, self.template_path), *self.service_records(ioc, "ioc")]

    def service_records(self, service: str, kind: str | None = None) -> list[Record]:
        """PVs of one process: from ``KIND.substitutions`` among the templates, and those that its part makes besides.

        Args:
            service: name of the IOC or service.
            kind: name of the file, whose records are then all; left out, the service's own name, and a function of that name
                in the entry-point group ``RECORDS`` adds what no file can know.
        """
        path = self.find_template(f"{kind or service}.substitutions")
        macros = {"DET": self.file.prefix, "S": self.service_prefix(service), "NAME": service}
        records = load_substitutions(path, self.template_path, macros)
        if kind is None:
            for point in installed(RECORDS).select(name=service):
                derived: Callable[[Site], list[Record]] = point.load()
                records += derived(self)
        return records

    def find_template(self, name: str) -> Path:
        """A template or substitution file, the site's own before ours.

        Raises:
            BadInput: there is none of that name.
        """
        for folder in self.template_path:
            if (folder / name).is_file():
                return folder / name
        raise BadInput(f"{name} is not among the templates in {', '.join(map(str, self.template_path))}")

    def all_records(self) -> Iterator[tuple[str, Record]]:
        """Every record of the site with the name of the process that serves it."""
        for ioc in self.file.iocs:
            for record in self.ioc_records(ioc):
                yield ioc, record
        for service in self.file.services:
            for record in self.service_records(service):
                yield service, record


def packaged_templates() -> Path:
    """Folder of the templates that come with the program."""
    return Path(str(files("db_templates")))
