/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet/table.h"

#include "tests/support/suite.h"
#include "tests/unit/cmd/signet/printed.h"

SUITE(table);

static const char *const titles[] = {"NAME", ">BYTES", "RULE"};

static void table_fill(struct table *table)
{
    const struct bytes first[] = {bytes_of("web"), bytes_of("7"), bytes_of("a")};
    const struct bytes second[] = {bytes_of("long-name"), bytes_of("123456789"), bytes_of("")};

    table_init(table, titles, 3);
    table_add(table, TABLE_PLAIN, first);
    table_add(table, TABLE_BAD, second);
}

Test(table, aligns_columns_and_leaves_no_blank_at_a_lines_end)
{
    struct table table;
    struct printed *printed = printed_begin();

    table_fill(&table);
    table_print(&table, printed->out, false);
    cr_assert_str_eq(printed_end(printed), "NAME           BYTES  RULE\n"
                                           "web                7  a\n"
                                           "long-name  123456789  -\n");
    printed_free(printed);
    table_clear(&table);
}

Test(table, colours_only_when_asked_and_ends_every_colour)
{
    struct table table;
    struct printed *printed = printed_begin();

    table_fill(&table);
    table_print(&table, printed->out, true);
    cr_assert_str_eq(printed_end(printed), "\033[1mNAME           BYTES  RULE\033[0m\n"
                                           "web                7  a\n"
                                           "\033[31mlong-name  123456789  -\033[0m\n");
    printed_free(printed);
    table_clear(&table);
}

Test(table, shows_a_peers_control_bytes_as_question_marks)
{
    static const char *const one[] = {"PEER"};
    const struct bytes cells[] = {bytes_of("a\033[2Jb\nc\x7f\xc2\x9b"
                                           "d")};
    struct table table;
    struct printed *printed = printed_begin();

    table_init(&table, one, 1);
    table_add(&table, TABLE_PLAIN, cells);
    table_print(&table, printed->out, false);
    cr_assert_str_eq(printed_end(printed), "PEER\na?[2Jb?c???d\n");
    printed_free(printed);
    table_clear(&table);
}

Test(table, measures_characters_and_not_bytes)
{
    static const char *const two[] = {"A", "B"};
    const struct bytes cells[] = {bytes_of("größe"), bytes_of("x")};
    const struct bytes more[] = {bytes_of("12345"), bytes_of("y")};
    struct table table;
    struct printed *printed = printed_begin();

    table_init(&table, two, 2);
    table_add(&table, TABLE_PLAIN, cells);
    table_add(&table, TABLE_PLAIN, more);
    table_print(&table, printed->out, false);
    cr_assert_str_eq(printed_end(printed), "A      B\ngröße  x\n12345  y\n");
    printed_free(printed);
    table_clear(&table);
}

Test(table, prints_nothing_without_rows)
{
    struct table table;
    struct printed *printed = printed_begin();

    table_init(&table, titles, 3);
    table_print(&table, printed->out, true);
    cr_assert_str_eq(printed_end(printed), "");
    printed_free(printed);
    table_clear(&table);
}
