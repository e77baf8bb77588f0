/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/base/list.h"
#include "tests/support/suite.h"

SUITE(list);

struct list_test_item {
    int number;
    struct list_link link;
};

Test(list, keeps_order_and_lets_the_visited_one_go)
{
    struct list_test_item items[5] = {{0}};
    struct list list;
    int expected = 0;

    list_init(&list);
    cr_assert(list_is_empty(&list));
    for (int i = 0; i < 5; i++) {
        items[i].number = i;
        cr_assert_not(list_has(&items[i].link));
        list_add(&list, &items[i].link);
        cr_assert(list_has(&items[i].link));
    }
    LIST_EACH(&list, link)
    {
        struct list_test_item *item = LIST_OF(link, struct list_test_item, link);

        cr_assert_eq(item->number, expected++);
        if (item->number % 2 == 0) {
            list_remove(link);
            list_remove(link); /* twice does nothing */
        }
    }
    cr_assert_eq(expected, 5);
    expected = 1;
    LIST_EACH(&list, link)
    {
        cr_assert_eq(LIST_OF(link, struct list_test_item, link)->number, expected);
        expected += 2;
        list_remove(link);
    }
    cr_assert(list_is_empty(&list));
}
