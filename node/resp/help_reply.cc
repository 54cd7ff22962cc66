#include "node/resp/help_reply.h"

#include "node/base/text.h"

namespace quorate::node {

void WriteHelp(std::string_view command,
               absl::Span<const std::string_view> lines, RespWriter& reply) {
  reply.Array(lines.size() + 1);
  reply.Simple(Concat(command,
                      " <subcommand> [<arg> [value] [opt] ...]. "
                      "Subcommands are:"));
  for (const std::string_view line : lines) reply.Simple(line);
}

}  // namespace quorate::node
