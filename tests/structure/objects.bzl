"""Object files and headers of libraries, as test inputs.

object_files: writes `<name>.txt`, one line `label<TAB>path` for each object file of `deps` and of everything they depend on in
this repository, and brings the objects along as runfiles. The aspect on the way compiles each public header by itself, so that
a header that needs others to be included first does not build.
"""

HeadersInfo = provider(fields = {"checked": "depset of marker files, one for each header that compiled alone"})

def _checked_header(target, ctx, header):
    marker = ctx.actions.declare_file("%s.%s.compiles_alone" % (target.label.name, header.basename))
    context = target[CcInfo].compilation_context
    arguments = ctx.actions.args()
    arguments.add_all(["-std=c++20", "-fsyntax-only", "-Wall", "-Werror", "-x", "c++"])
    arguments.add_all(context.includes, before_each = "-I")
    arguments.add_all(context.quote_includes, before_each = "-iquote")
    arguments.add_all(context.system_includes, before_each = "-isystem")
    arguments.add_all(context.defines, format_each = "-D%s")
    arguments.add(header)
    ctx.actions.run_shell(
        command = 'out=$1; shift; g++ "$@" && touch "$out"',
        arguments = [marker.path, arguments],
        inputs = context.headers,
        outputs = [marker],
        mnemonic = "HeaderAlone",
        progress_message = "Compiling %s by itself" % header.short_path,
        use_default_shell_env = True,
    )
    return marker

def _headers_aspect_impl(target, ctx):
    checked = []
    if CcInfo in target and not target.label.workspace_name and hasattr(ctx.rule.files, "hdrs"):
        # A foo.cc that includes foo.h first has shown it already; layout_test sees to that order. Sources that are compiled in
        # groups are tags (third_party/rules_cc/cc/defs.bzl).
        sources = [f.short_path for f in ctx.rule.files.srcs] + [target.label.package + "/" + tag for tag in ctx.rule.attr.tags]
        shown = {path[:-len(".cc")]: True for path in sources if path.endswith(".cc")}
        checked = [
            _checked_header(target, ctx, header)
            for header in ctx.rule.files.hdrs
            if header.extension == "h" and header.short_path[:-len(".h")] not in shown
        ]
    return [HeadersInfo(checked = depset(
        checked,
        transitive = [dep[HeadersInfo].checked for dep in getattr(ctx.rule.attr, "deps", []) if HeadersInfo in dep],
    ))]

_headers_aspect = aspect(implementation = _headers_aspect_impl, attr_aspects = ["deps"])

def _object_files_impl(ctx):
    lines, objects = {}, []
    for dep in ctx.attr.deps:
        for linker_input in dep[CcInfo].linking_context.linker_inputs.to_list():
            if linker_input.owner.workspace_name:
                continue
            for library in linker_input.libraries:
                for object in library.pic_objects or library.objects or []:
                    lines["//%s:%s\t%s" % (linker_input.owner.package, linker_input.owner.name, object.short_path)] = True
                    objects.append(object)
    listing = ctx.actions.declare_file(ctx.label.name + ".txt")
    markers = depset(transitive = [dep[HeadersInfo].checked for dep in ctx.attr.deps])
    names = ctx.actions.declare_file(ctx.label.name + ".content")
    ctx.actions.write(names, "".join([line + "\n" for line in sorted(lines)]))

    # The markers are inputs so that the listing, and with it the test, needs every header to have compiled.
    ctx.actions.run_shell(
        command = 'cp "$1" "$2"',
        arguments = [names.path, listing.path],
        inputs = depset([names], transitive = [markers]),
        outputs = [listing],
    )
    return [DefaultInfo(files = depset([listing]), runfiles = ctx.runfiles(files = [listing] + objects))]

object_files = rule(
    implementation = _object_files_impl,
    attrs = {"deps": attr.label_list(providers = [CcInfo], aspects = [_headers_aspect])},
)
