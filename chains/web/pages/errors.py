"""Pages for what cannot be: the same kinds of problems as the API's, for people.

``chains.web.api`` asks for one where a browser gets no page. What is not there and what one may not see are one page.
"""

from chains.web.answers import NO_STORE
from chains.web.asgi import Answer, Scope, accepts
from chains.web.pages.rendering import Shell, page_answer
from chains.web.problems import KINDS, ProblemError

_API = b"/v1/"
_WORDS = {
    "not-found": (
        "Nothing is here under this name, or it is not for you to see.",
        "Check the address, or look for what you need with the search. Members may see more after they have signed in.",
    ),
    "not-allowed": ("This needs a right that your key does not include.", "Ask whoever gave you the key."),
    "key-required": ("This is for members who have signed in.", "Sign in with your API key."),
    "overloaded": ("More people ask than can be answered at once.", "Try again in a moment."),
}
_OTHERWISE = {
    4: ("The request cannot be answered as it was asked.", ""),
    5: (
        "Something on this side does not work now.",
        "Receipts that you hold do not depend on it: they verify offline.",
    ),
}


def wants_page(scope: Scope) -> bool:
    """Say whether a problem is told as a page: to a browser, which names HTML, and never below /v1."""
    return not scope["raw_path"].startswith(_API) and accepts(scope["headers"], "text/html")


def error_page(shell: Shell, problem: ProblemError) -> Answer:
    """Return the page that tells a problem; what a request was refused for is shown, and nothing of the service."""
    kind = KINDS[problem.code]
    what, advice = _WORDS.get(problem.code) or _OTHERWISE[kind.status // 100]
    detail = (
        str(problem) if problem.code in {"bad-request", "parameter-malformed", "body-malformed", "key-refused"} else ""
    )
    headers = tuple(each for each in problem.headers if each != NO_STORE)
    facts = {"title": kind.title, "what": what, "advice": advice, "detail": detail}
    return page_answer(shell, "error.html", facts, *headers, status=kind.status)
