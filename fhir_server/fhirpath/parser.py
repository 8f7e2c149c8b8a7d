"""Tokens to a tree: precedence climbing over the whole grammar.

Spec: https://hl7.org/fhirpath/N1/#operator-precedence, https://hl7.org/fhirpath/N1/grammar.html
"""

from decimal import Decimal
from typing import Final

from fhir_server.fhirpath.errors import InvalidExpression
from fhir_server.fhirpath.lexer import Token, tokens
from fhir_server.fhirpath.tree import (
    Binary,
    Call,
    Indexer,
    Literal,
    Member,
    Special,
    Tree,
    TypeOperation,
    Unary,
    Variable,
    depth,
)
from fhir_server.fhirpath.values.quantity import CALENDAR_UNITS, Quantity

MAX_LENGTH: Final = 20_000
MAX_NESTING: Final = 60
MAX_DEPTH: Final = 250

_POWERS: Final = {
    "implies": 1,
    **dict.fromkeys(("or", "xor"), 2),
    "and": 3,
    **dict.fromkeys(("in", "contains"), 4),
    **dict.fromkeys(("=", "~", "!=", "!~"), 5),
    **dict.fromkeys(("<", "<=", ">", ">="), 6),
    "|": 7,
    **dict.fromkeys(("is", "as"), 8),
    **dict.fromkeys(("+", "-", "&"), 9),
    **dict.fromkeys(("*", "/", "div", "mod"), 10),
}
"""How strongly each binary operator binds."""
_RESERVED: Final = frozenset({"and", "or", "xor", "implies", "div", "mod", "true", "false"})


def parse(text: str) -> Tree:
    """Parse an expression; raise InvalidExpression with the position of what is wrong."""
    if len(text) > MAX_LENGTH:
        raise InvalidExpression(f"an expression has at most {MAX_LENGTH} characters.", text[:40], 0)
    parser = _Parser(text)
    tree = parser.expression(0)
    parser.expect_end()
    if depth(tree) > MAX_DEPTH:
        raise InvalidExpression(f"it chains more than {MAX_DEPTH} steps: split it.", text, 0)
    return tree


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(tokens(text))
        self.place = 0
        self.nesting = 0

    def next(self) -> Token:
        return self.tokens[self.place]

    def take(self) -> Token:
        token = self.tokens[self.place]
        self.place += 1
        return token

    def accept(self, symbol: str) -> bool:
        token = self.tokens[self.place]
        if token.kind == "symbol" and token.text == symbol:
            self.place += 1
            return True
        return False

    def expect(self, symbol: str) -> None:
        if not self.accept(symbol):
            raise self.refuse(f"'{symbol}' is missing.")

    def expect_end(self) -> None:
        if self.next().kind != "end":
            raise self.refuse("an operator is missing before this.")

    def refuse(self, sentence: str) -> InvalidExpression:
        return InvalidExpression(sentence, self.text, self.next().position)

    def expression(self, least: int) -> Tree:
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            raise self.refuse(f"parentheses nest more than {MAX_NESTING} levels.")
        left = self.unary()
        while True:
            token = self.next()
            power = _POWERS.get(token.text, 0) if token.kind in ("symbol", "word") else 0
            if power <= least:
                break
            self.take()
            if token.text in ("is", "as"):
                left = TypeOperation(token.position, token.text, left, self.type_name())
            else:
                left = Binary(token.position, token.text, left, self.expression(power))
        self.nesting -= 1
        return left

    def type_name(self) -> str:
        name = self.identifier()
        while self.accept("."):
            name = f"{name}.{self.identifier()}"
        return name

    def identifier(self) -> str:
        token = self.next()
        if token.kind not in ("word", "identifier"):
            raise self.refuse("a name is missing.")
        return str(self.take().value)

    def unary(self) -> Tree:
        signs: list[Token] = []
        while self.next().kind == "symbol" and self.next().text in "+-":
            signs.append(self.take())
        if len(signs) > MAX_NESTING:
            raise self.refuse("too many signs stand before a value.")
        tree = self.postfix()
        for sign in reversed(signs):
            tree = Unary(sign.position, sign.text, tree)
        return tree

    def postfix(self) -> Tree:
        tree = self.term()
        while True:
            position = self.next().position
            if self.accept("."):
                tree = self.invocation(tree)
            elif self.accept("["):
                index = self.expression(0)
                self.expect("]")
                tree = Indexer(position, tree, index)
            else:
                return tree

    def invocation(self, source: Tree | None) -> Tree:
        token = self.next()
        name = self.identifier()
        if token.kind == "word" and self.accept("("):
            return Call(token.position, source, name, self.arguments())
        return Member(token.position, source, name)

    def arguments(self) -> tuple[Tree, ...]:
        if self.accept(")"):
            return ()
        found = [self.expression(0)]
        while self.accept(","):
            found.append(self.expression(0))
        self.expect(")")
        return tuple(found)

    def term(self) -> Tree:
        token = self.next()
        match token.kind:
            case "word" if token.text in ("true", "false"):
                return Literal(self.take().position, (token.text == "true",))
            case "word" if token.text in _RESERVED:
                raise self.refuse(f"'{token.text}' is an operator: a value is missing before it.")
            case "word" | "identifier":
                return self.invocation(None)
            case "string" | "temporal":
                return Literal(self.take().position, (token.value,))
            case "number":
                return self.number()
            case "variable":
                return Variable(self.take().position, token.value)
            case "special":
                return Special(self.take().position, token.value)
            case _:
                return self.bracketed()

    def number(self) -> Tree:
        token = self.take()
        after = self.next()
        if after.kind == "string":
            self.take()
            return Literal(token.position, (Quantity(Decimal(token.value), after.value),))
        if after.kind == "word" and after.text in CALENDAR_UNITS:
            self.take()
            return Literal(token.position, (Quantity(Decimal(token.value), after.text, is_calendar=True),))
        return Literal(token.position, (token.value,))

    def bracketed(self) -> Tree:
        position = self.next().position
        if self.accept("{"):
            self.expect("}")
            return Literal(position, ())
        if self.accept("("):
            tree = self.expression(0)
            self.expect(")")
            return tree
        raise self.refuse("a value or a path is missing here.")
