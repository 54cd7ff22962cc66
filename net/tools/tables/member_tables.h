// net/tools/tables/member_tables.h: nodes, groups and moves of slots as tables
// for people.
#ifndef QUORATE_NET_TOOLS_TABLES_MEMBER_TABLES_H_
#define QUORATE_NET_TOOLS_TABLES_MEMBER_TABLES_H_

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace quorate::net {

// "96.0 MiB".
std::string BytesText(double bytes);

// Pads the columns, two spaces apart. The first row is the heading.
std::string FormatTable(const std::vector<std::vector<std::string>>& rows);

// The value as text for a table; "-" if there is none.
std::string TextOf(const nlohmann::ordered_json& value);

// The arguments are answers of the admin address (docs/reference/admin.md): the
// whole one about nodes, else its array of rows. Behind a table stand the
// problems of its rows, and what holds their copies back.
std::string NodesText(const nlohmann::ordered_json& answer);
std::string GroupsText(const nlohmann::ordered_json& groups);
std::string MovesText(const nlohmann::ordered_json& moves);

}  // namespace quorate::net

#endif  // QUORATE_NET_TOOLS_TABLES_MEMBER_TABLES_H_
