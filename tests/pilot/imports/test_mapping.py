"""The mapping is guessed from headers and values of files as people really have them."""

from pathlib import Path

import pytest

from pilot.imports.mapping import attribute_code, guess_mapping
from pilot.imports.model import ImportKind
from pilot.outcomes.importers import importer_for


def a_file(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "file.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_a_russian_spreadsheet_is_understood(tmp_path: Path) -> None:
    text = "Чек;Магазин;Дата;Сумма;Карта\r\n1001;12;31.01.2017 18:05;1234,50;77\r\n1002;12;01.02.2017 9:00;8,00;\r\n"
    guess = guess_mapping(importer_for(ImportKind.RECEIPTS), a_file(tmp_path, text, "cp1251"))
    mapping = guess.mapping
    assert mapping.columns == {"receipt": "Чек", "store": "Магазин", "at": "Дата", "net": "Сумма", "customer": "Карта"}
    assert (mapping.encoding, mapping.delimiter, mapping.decimal_mark) == ("cp1251", ";", ",")
    assert mapping.date_order == "DD.MM.YYYY"
    assert guess.unmapped_required == ()
    assert guess.sample[0]["Сумма"] == "1234,50"


def test_a_finnish_spreadsheet_is_understood(tmp_path: Path) -> None:
    text = "Myymälä;Alue;Nimi\n1;Etelä;Åland\n"
    mapping = guess_mapping(importer_for(ImportKind.STORES), a_file(tmp_path, text, "cp1252")).mapping
    assert mapping.columns == {"store": "Myymälä", "region": "Alue", "name": "Nimi"}


def test_american_dates_are_told_from_european_ones_where_the_values_tell(tmp_path: Path) -> None:
    text = "receipt,store,at,net\n1,1,01/02/2017 10:00,1.00\n2,1,01/31/2017 10:00,1.00\n"
    assert guess_mapping(importer_for(ImportKind.RECEIPTS), a_file(tmp_path, text)).mapping.date_order == "MM/DD/YYYY"


def test_what_could_not_be_guessed_is_named(tmp_path: Path) -> None:
    guess = guess_mapping(importer_for(ImportKind.RECEIPTS), a_file(tmp_path, "foo,bar\n1,2\n"))
    assert guess.mapping.columns == {}
    assert guess.unmapped_required == ("receipt", "store", "at", "net")


def test_columns_of_customers_that_are_no_field_become_attributes(tmp_path: Path) -> None:
    text = "household_id,Age,Household Size,phone\n1,19-24,2,0401234567\n"
    mapping = guess_mapping(importer_for(ImportKind.CUSTOMERS), a_file(tmp_path, text)).mapping
    assert mapping.columns == {"customer": "household_id", "phone": "phone"}
    assert mapping.attributes == {"age": "Age", "household_size": "Household Size"}


def test_columns_that_will_not_be_read_are_named(tmp_path: Path) -> None:
    text = "receipt,store,at,net,cashier\n1,1,2017-01-02 10:00,1.00,7\n"
    assert guess_mapping(importer_for(ImportKind.RECEIPTS), a_file(tmp_path, text)).unused == ("cashier",)


def test_a_column_with_a_value_of_its_own_for_everybody_is_not_guessed_as_an_attribute(tmp_path: Path) -> None:
    rows = "".join(f"{n},Patronymic{n},{n % 4}\n" for n in range(50))
    guess = guess_mapping(importer_for(ImportKind.CUSTOMERS), a_file(tmp_path, "customer,patronymic,kids\n" + rows))
    assert guess.mapping.attributes == {"kids": "kids"}
    assert guess.unused == ("patronymic",)


def test_two_headers_that_look_alike_become_two_attributes(tmp_path: Path) -> None:
    text = "customer,Age,age!\n1,19-24,x\n"
    mapping = guess_mapping(importer_for(ImportKind.CUSTOMERS), a_file(tmp_path, text)).mapping
    assert mapping.attributes == {"age": "Age", "age_2": "age!"}


@pytest.mark.parametrize("header", ["Карта клиента", "Номер карты", "Loyalty card", "Код клиента"])
def test_a_customers_column_is_found_under_its_common_names(tmp_path: Path, header: str) -> None:
    text = f"Чек;Магазин;Дата и время;Сумма;{header}\n1;2;31.01.2017 18:05;1,00;77\n"
    mapping = guess_mapping(importer_for(ImportKind.RECEIPTS), a_file(tmp_path, text)).mapping
    assert (mapping.columns["customer"], mapping.columns["at"]) == (header, "Дата и время")


@pytest.mark.parametrize(
    ("header", "code"), [("Household Size", "household_size"), (" Äge % ", "äge"), ("%", "attribute")]
)
def test_a_header_becomes_an_attribute_code(header: str, code: str) -> None:
    assert attribute_code(header) == code
