"""By which name the server is called, and by whose web page: a page anywhere can make a browser on this machine ask, and says so.

Where a key is asked for, a page that does not know it gets nothing; elsewhere only these words of the browser tell.
"""

from collections.abc import Mapping
from ipaddress import ip_address

from emollm.serve.refusals import Refused


def is_local(name: str) -> bool:
    """Whether that is a name of a machine for itself: localhost, or an address of the loopback."""
    try:
        return name.lower() == "localhost" or ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def stranger(headers: Mapping[str, str], local: bool) -> Refused | None:
    """Why a request without a key is not answered, if so.

    Args:
        headers: Of the request.
        local: Whether it has to call this machine by a name for itself, which a web page elsewhere cannot take.
    """
    host = headers.get("host", "").lower()
    if local and not is_local(_without_port(host)):
        return Refused(403, "called by a name that is not this machine's; use 127.0.0.1", "wrong_host")
    origin = headers.get("origin")
    if origin is not None and origin.lower().partition("://")[2] != host:
        return Refused(403, "asked by a web page of another place, which needs a server with a key", "wrong_origin")
    return None


def _without_port(host: str) -> str:
    name, _, port = host.rpartition(":")
    return name if port.isdigit() and (name.endswith("]") or ":" not in name) else host
