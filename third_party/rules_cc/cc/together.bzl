"""Sources that are compiled as one."""

def _one_source(ctx):
    source = ctx.actions.declare_file(ctx.label.name + ".cc")
    ctx.actions.write(source, "".join([
        "#include \"{}\"\n".format(file.short_path)
        for file in ctx.files.srcs
    ]))
    return [
        DefaultInfo(files = depset([source])),
        CcInfo(compilation_context = cc_common.create_compilation_context(
            headers = depset(ctx.files.srcs),
        )),
    ]

# A source that includes all others. Who compiles it names it in `deps`, too.
one_source = rule(
    implementation = _one_source,
    attrs = {"srcs": attr.label_list(allow_files = [".cc"])},
)
