"""Python sources as text: their comments, their docstrings, and the rest."""

import ast
import io
import tokenize


def docstrings(text):
    """(line number, raw text) of each docstring, in the order of the syntax tree."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node):
            yield node.body[0].lineno, ast.get_docstring(node, clean=False)


def split(text):
    """The (line number, line) of every comment and docstring, and all other tokens as one text."""
    said = [(first + n, line.strip()) for first, docstring in docstrings(text) for n, line in enumerate(docstring.split('\n'))]
    starts = {first for first, _ in docstrings(text)}
    code = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            said.append((token.start[0], token.string[1:].removeprefix(' ')))
        elif token.type != tokenize.STRING or token.start[0] not in starts:
            code.append(token.string)
    return sorted(said), ' '.join(code)
