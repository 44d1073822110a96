"""A STAC API over HTTP on this machine, over folders of items: search without network or account.

    revisit serve results --port 8000
    revisit serve results/archive/plain

Speaks STAC API 1.0: core, collections, features, item search with paging, and the extensions query,
fields, sort and filter (CQL2 text and JSON). Assets are served with HTTP range requests, so that
GDAL reads windows of them just as from an object store. Pages of any origin may read it (CORS), as STAC
Browser does.
"""

import argparse
import os
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from revisit.errors import RevisitError
from revisit.stac.adapter import readdressed
from revisit.stac.api.folders import Catalogue
from revisit.stac.api.misbehaviour import Fault, Faults, truncated
from revisit.stac.api.query import BadRequestError, from_get, parse, select_fields

STAC, OGC = "https://api.stacspec.org/v1.0.0", "http://www.opengis.net/spec"
CONFORMANCE = [
    *(f"{STAC}/{name}" for name in ("core", "collections", "ogcapi-features", "item-search")),
    *(f"{STAC}/item-search#{name}" for name in ("query", "fields", "sort", "filter")),
    *(f"{STAC}/ogcapi-features#{name}" for name in ("query", "fields", "sort", "filter")),
    *(f"{OGC}/ogcapi-features-1/1.0/conf/{name}" for name in ("core", "geojson", "oas30")),
    *(f"{OGC}/ogcapi-features-3/1.0/conf/{name}" for name in ("filter", "features-filter")),
    *(f"{OGC}/cql2/1.0/conf/{name}" for name in ("basic-cql2", "cql2-text", "cql2-json")),
    *(f"{OGC}/cql2/1.0/conf/{name}" for name in ("advanced-comparison-operators", "basic-spatial-operators")),
    f"{OGC}/cql2/1.0/conf/temporal-operators",
]
JSON, GEOJSON, SCHEMA = "application/json", "application/geo+json", "application/schema+json"
OPENAPI = "application/vnd.oai.openapi+json;version=3.0"
QUERYABLES = "http://www.opengis.net/def/rel/ogc/1.0/queryables"
TITLE = "revisit: an embedded STAC API"
CORS = Middleware(
    CORSMiddleware,
    allow_origins=["*"],
    allow_methods=["GET", "HEAD", "POST"],
    allow_headers=["*"],
    expose_headers=["Accept-Ranges", "Content-Length", "Content-Range", "ETag"],
)


@contextmanager
def serve(folders: Sequence[str | Path], port: int = 0, faults: Sequence[Fault] = ()) -> Iterator[str]:
    """Serve folders on localhost, in a thread, for the life of the block; yields the API's root address."""
    app = application(Catalogue(folders), faults)
    # A proxy of the surroundings cannot reach this machine's own loopback.
    for name in ("no_proxy", "NO_PROXY"):
        known = [host for host in os.environ.get(name, "").split(",") if host not in ("", "127.0.0.1")]
        os.environ[name] = ",".join([*known, "127.0.0.1"])
    # asyncio turns delays off only for sockets that name their protocol: 40 ms an answer otherwise.
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            raise RevisitError(f"serve: port {port} is not free ({error}); choose another") from error
        listener.listen(128)
        # Its own logging set-up would close the stage's log file.
        config = uvicorn.Config(
            app, log_config=None, log_level="error", lifespan="off", timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def application(catalogue: Catalogue, faults: Sequence[Fault] = ()) -> Starlette:
    """The ASGI application over a catalogue."""
    app = Starlette(
        routes=[
            Route("/", _landing),
            Route("/api", _openapi),
            Route("/api.html", _documentation),
            Route("/conformance", _conformance),
            Route("/queryables", _queryables),
            Route("/collections", _collections),
            Route("/collections/{collection}", _collection),
            Route("/collections/{collection}/queryables", _queryables),
            Route("/collections/{collection}/items", _items),
            Route("/collections/{collection}/items/{item}", _item),
            Route("/search", _search, methods=["GET", "POST"]),
            Route("/assets/{folder:int}/{path:path}", _asset),
        ],
        middleware=[CORS, Middleware(Faults, faults=faults)],
        exception_handlers={
            BadRequestError: lambda request, error: _problem(400, str(error)),
            HTTPException: lambda request, error: _problem(error.status_code, error.detail),
        },
    )
    app.state.catalogue = catalogue
    return app


def _problem(status: int, description: str) -> Response:
    return JSONResponse({"code": str(status), "description": description}, status)


def _link(request: Request, rel: str, path: str = "", media_type: str = JSON, **more: Any) -> dict[str, Any]:
    return {"rel": rel, "href": f"{_root(request)}{path}", "type": media_type, **more}


def _root(request: Request) -> str:
    return str(request.base_url).rstrip("/")


def _catalogue(request: Request) -> Catalogue:
    catalogue: Catalogue = request.app.state.catalogue
    return catalogue


async def _landing(request: Request) -> Response:
    links = [
        _link(request, "root", "/"),
        _link(request, "self", "/"),
        _link(request, "service-desc", "/api", OPENAPI),
        _link(request, "service-doc", "/api.html", "text/html"),
        _link(request, "conformance", "/conformance"),
        _link(request, "data", "/collections"),
        _link(request, "search", "/search", GEOJSON, method="GET"),
        _link(request, "search", "/search", GEOJSON, method="POST"),
        _link(request, QUERYABLES, "/queryables", SCHEMA),
        *(_link(request, "child", f"/collections/{quote(name)}") for name in _catalogue(request).collections),
    ]
    content = {
        "type": "Catalog",
        "stac_version": "1.0.0",
        "id": "revisit",
        "title": TITLE,
        "description": TITLE,
    }
    return JSONResponse({**content, "conformsTo": CONFORMANCE, "links": links})


async def _conformance(request: Request) -> Response:
    return JSONResponse({"conformsTo": CONFORMANCE})


async def _openapi(request: Request) -> Response:
    paths = {
        route.path: {method.lower(): {"responses": {"200": {"description": "the answer"}}}}
        for route in request.app.routes
        for method in sorted(route.methods - {"HEAD"})
    }
    content = {"openapi": "3.0.3", "info": {"title": TITLE, "version": "1.0.0"}, "paths": paths}
    return Response(JSONResponse(content).body, media_type=OPENAPI)


async def _documentation(request: Request) -> Response:
    return HTMLResponse(f"<!doctype html><title>{TITLE}</title><p>See <a href='/'>the landing page</a>.</p>")


async def _queryables(request: Request) -> Response:
    name = request.path_params.get("collection")
    path = f"/collections/{quote(name)}/queryables" if name else "/queryables"
    if name:
        _known(request, name)
    properties: dict[str, Any] = {field: {"type": "string"} for field in ("id", "collection")}
    properties["geometry"] = {"$ref": "https://geojson.org/schema/Geometry.json"}
    content = {
        "$schema": "https://json-schema.org/draft/2019-09/schema",
        "$id": f"{_root(request)}{path}",
        "type": "object",
        "title": f"Queryables of {name or 'all collections'}",
        "properties": {**properties, **_catalogue(request).properties(name)},
        "additionalProperties": True,
    }
    return JSONResponse(content, media_type=SCHEMA)


async def _collections(request: Request) -> Response:
    collections = [_describe(request, name) for name in _catalogue(request).collections]
    links = [_link(request, "root", "/"), _link(request, "self", "/collections")]
    return JSONResponse({"collections": collections, "links": links})


async def _collection(request: Request) -> Response:
    return JSONResponse(_describe(request, _known(request, request.path_params["collection"])))


def _describe(request: Request, name: str) -> dict[str, Any]:
    path = f"/collections/{quote(name)}"
    links = [
        _link(request, "root", "/"),
        _link(request, "parent", "/"),
        _link(request, "self", path),
        _link(request, "items", f"{path}/items", GEOJSON),
        _link(request, QUERYABLES, f"{path}/queryables", SCHEMA),
    ]
    return {**_catalogue(request).description(name), "links": links}


def _known(request: Request, name: str) -> str:
    if name not in _catalogue(request).collections:
        raise HTTPException(404, f"no collection {name!r}")
    return name


async def _items(request: Request) -> Response:
    name = _known(request, request.path_params["collection"])
    return _page(request, {**from_get(request.query_params), "collections": [name]})


async def _item(request: Request) -> Response:
    name = _known(request, request.path_params["collection"])
    item = _catalogue(request).item(name, request.path_params["item"])
    if item is None:
        raise HTTPException(404, f"no item {request.path_params['item']!r} in {name!r}")
    return JSONResponse(_absolute(request, item), media_type=GEOJSON)


async def _search(request: Request) -> Response:
    if request.method != "POST":
        return _page(request, from_get(request.query_params))
    try:
        body = await request.json()
    except ValueError as error:
        raise BadRequestError(f"the body is not valid JSON: {error}") from error
    if not isinstance(body, dict):
        raise BadRequestError("the body must be a JSON object")
    return _page(request, body)


def _page(request: Request, body: dict[str, Any]) -> Response:
    search = parse(body)
    found = _catalogue(request).search(search)
    page = found[search.offset : search.offset + search.limit]
    path = request.url.path
    links = [_link(request, "root", "/"), _link(request, "self", path, GEOJSON)]
    after = search.offset + len(page)
    if page and after < len(found):
        if request.method == "POST":
            links.append(
                _link(request, "next", path, GEOJSON, method="POST", body={**body, "token": str(after)})
            )
        else:
            parameters = urlencode({**request.query_params, "token": after})
            links.append(_link(request, "next", f"{path}?{parameters}", GEOJSON, method="GET"))
    content = {
        "type": "FeatureCollection",
        "features": [select_fields(_absolute(request, item), search.fields) for item in page],
        "links": links,
        "numberMatched": len(found),
        "numberReturned": len(page),
    }
    return JSONResponse(content, media_type=GEOJSON)


def _absolute(request: Request, item: dict[str, Any]) -> dict[str, Any]:
    """The item with links, and with asset hrefs that a client can open."""
    collection = f"/collections/{quote(item['collection'])}"
    links = [
        _link(request, "root", "/"),
        _link(request, "parent", collection),
        _link(request, "collection", collection),
        _link(request, "self", f"{collection}/items/{quote(item['id'])}", GEOJSON),
        *(
            {**link, "href": _absolute_href(request, link["href"])}
            for link in item.get("links", [])
            if link["rel"] in ("derived_from", "license")
        ),
    ]
    assets = readdressed(item["assets"], lambda href: _absolute_href(request, href))
    return {**item, "links": links, "assets": assets}


def _absolute_href(request: Request, href: str) -> str:
    return href if "://" in href else f"{_root(request)}/{href}"


async def _asset(request: Request) -> Response:
    file = _catalogue(request).file(request.path_params["folder"], request.path_params["path"])
    if file is None:
        raise HTTPException(404, "no such asset")
    cleanup = None
    if request.scope.get("truncated"):
        file = truncated(file)
        cleanup = BackgroundTask(file.unlink)
    media_type = "image/tiff" if file.suffix in (".tif", ".tiff") else None
    if not file.suffix:  # a chunk of a Zarr store
        media_type = "application/octet-stream"
    return FileResponse(file, media_type=media_type, background=cleanup)


def main(argv: Sequence[str] | None = None) -> int:
    """The command ``revisit serve``: serve folders until Ctrl-C."""
    parser = argparse.ArgumentParser(
        description="Serve the products of a study, or folders of STAC items, as a STAC API on this machine.",
        epilog="example: revisit serve results --port 8000",
    )
    parser.add_argument("folders", nargs="+", type=Path, help="results of a study, or an archive")
    parser.add_argument("--port", type=int, default=8000)
    arguments = parser.parse_args(argv)
    try:
        with serve(arguments.folders, arguments.port) as address:
            print(f"STAC API at {address}; stop with Ctrl-C", flush=True)
            threading.Event().wait()
    except KeyboardInterrupt:
        return 0
    except RevisitError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0
