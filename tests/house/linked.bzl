"""Names everything that is linked into programs: their own objects, archives, and libraries of the system."""

_Linked = provider(fields = ["archives", "flags"])

def _collect(target, ctx):
    archives = []
    flags = []
    for dep in getattr(ctx.rule.attr, "deps", []):
        if CcInfo not in dep:
            continue
        for given in dep[CcInfo].linking_context.linker_inputs.to_list():
            flags += given.user_link_flags
            for library in given.libraries:
                archive = library.static_library or library.pic_static_library
                if archive:
                    archives.append(archive)
    return [_Linked(archives = depset(archives), flags = depset(flags))]

_collect_linked = aspect(implementation = _collect)

def _linked(ctx):
    lines = []
    files = []
    for program in ctx.attr.programs:
        binary = program[DefaultInfo].files_to_run.executable
        objects = program[OutputGroupInfo].compilation_outputs.to_list()
        archives = program[_Linked].archives.to_list()
        lines.append("program " + binary.short_path)
        lines += ["object " + file.short_path for file in objects]
        lines += ["archive " + file.short_path for file in archives]
        lines += ["flag " + flag for flag in program[_Linked].flags.to_list()]
        files += [binary] + objects + archives
    manifest = ctx.actions.declare_file(ctx.label.name + ".txt")
    ctx.actions.write(manifest, "\n".join(lines) + "\n")
    return [DefaultInfo(
        files = depset([manifest]),
        runfiles = ctx.runfiles([manifest] + files),
    )]

linked = rule(
    doc = """A text file that lists, after each line `program PATH`, what was linked into it:
`object PATH`, `archive PATH` (from the runfiles' root) and `flag TEXT`.""",
    implementation = _linked,
    attrs = {
        "programs": attr.label_list(
            aspects = [_collect_linked],
            mandatory = True,
        ),
    },
)
